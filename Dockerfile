# syntax=docker/dockerfile:1
# Image of the server. docs/how-to/operate/deploy.md explains how to build and run it.
ARG NODE=22-bookworm-slim

FROM node:${NODE} AS build
WORKDIR /src
# Where there is no prebuilt binary for the system, npm compiles better-sqlite3.
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make python3 \
 && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:${NODE}
ENV NODE_ENV=production
WORKDIR /opt/tablecast
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY --from=build /src/templates templates
RUN ln -s /opt/tablecast/dist/cli.js /usr/local/bin/tablecast \
 && install -d -o node -g node /app /app/data
USER node
# The application folder. The server writes nowhere but to its data folder, so the rest may be read-only.
WORKDIR /app
VOLUME /app/data
EXPOSE 9996
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9996/health/ready').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tablecast"]
CMD ["start", "--host", "0.0.0.0"]
