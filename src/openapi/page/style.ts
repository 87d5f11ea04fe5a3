/** Style of the API page; the style of the operations is adapted to it. */
export const PAGE_STYLE = `:root {
  color-scheme: light dark;
  --page: light-dark(#f3f5f5, #0d1313);
  --card: light-dark(#ffffff, #161e1e);
  --sunken: light-dark(#f3f6f6, #0f1616);
  --line: light-dark(#dbe2e2, #293535);
  --text: light-dark(#16201f, #e6edec);
  --soft: light-dark(#556362, #9aa9a8);
  --accent: light-dark(#0f766e, #2dd4bf);
  --on-accent: light-dark(#ffffff, #06201d);
  --accent-soft: light-dark(#d9f2ee, #123630);
  --good: light-dark(#15803d, #4ade80);
  --bad: light-dark(#b91c1c, #f98a8a);
  --violet: light-dark(#6d28d9, #c4b5fd);
  --font: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace;
}
* { box-sizing: border-box; }
html, html.dark-mode { background: var(--page); }
body, html.dark-mode body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.55 var(--font); }
main, header { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; }
h1 { margin: 0; font-size: 30px; letter-spacing: -0.02em; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 6px; font-size: 19px; letter-spacing: -0.01em; }
a { color: var(--accent); }
code, pre { font-family: var(--mono); font-size: 0.92em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.badge, .version, .kind {
  display: inline-block; padding: 2px 9px; border-radius: 99px; font-size: 12px; font-weight: 600; line-height: 1.5;
  letter-spacing: 0; vertical-align: middle; white-space: nowrap;
}
.badge { background: var(--accent); color: var(--on-accent); }
.version { max-width: 100%; overflow: hidden; text-overflow: ellipsis; }
.version, .kind { background: var(--accent-soft); color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: 6px 18px; margin-top: 10px; }
main > section { margin: 24px 0 0; padding: 20px 24px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
main { padding-bottom: 64px; }
main > section > p { margin: 0 0 12px; max-width: 78ch; color: var(--soft); }
main > section > p :is(code, strong) { color: var(--text); }
.samples { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 14px; }
figure { margin: 0; min-width: 0; display: flex; flex-direction: column; background: var(--sunken); border: 1px solid var(--line); border-radius: 8px; }
figcaption { padding: 7px 14px; border-bottom: 1px solid var(--line); color: var(--soft); font-size: 12px; font-weight: 600; }
figure pre { flex: 1; margin: 0; padding: 12px 14px; overflow-x: auto; line-height: 1.6; }
.channels ul, .channels ol { margin: 0; padding: 0; list-style: none; }
.channels ul li { display: flex; gap: 8px 14px; align-items: center; padding: 9px 0; border-top: 1px solid var(--line); }
.channels ul code { min-width: 12em; font-size: 14px; overflow-wrap: anywhere; }
.kinds { flex: 1; display: flex; flex-wrap: wrap; gap: 6px; }
.channels button {
  min-width: 88px; padding: 6px 16px; border: 1px solid var(--accent); border-radius: 8px;
  background: transparent; color: var(--accent); font: inherit; font-weight: 600; cursor: pointer;
}
.channels button:hover { background: var(--accent-soft); }
.channels button[aria-pressed='true'] { background: var(--accent); color: var(--on-accent); }
#state { margin: 10px 0 0; }
#state:empty, #events:empty, #caller:empty { display: none; }
.channels #events { max-height: 320px; margin-top: 10px; overflow: auto; font: 13px/1.6 var(--mono); }
#events li { display: flex; gap: 4px 12px; padding: 4px 10px; border-left: 3px solid var(--good); margin-bottom: 4px; background: var(--sunken); }
#events li[data-event='delete'], #events li[data-event='error'] { border-color: var(--bad); }
#events li[data-event='publish'] { border-color: var(--violet); }
#events .name { min-width: 5em; font-weight: 600; }
#events .seq { color: var(--soft); }
#events .data { overflow-wrap: anywhere; min-width: 0; }
#caller { margin: 0; color: var(--good); font-weight: 600; }

/* The operations: one font, the colours of the page, no space for what is not there. */
.swagger-ui, .swagger-ui :not(code, pre, code *, pre *) { font-family: var(--font) !important; }
.swagger-ui :is(code, pre, code *, pre *, textarea, .opblock-summary-path, .opblock-summary-path *, .parameter__name,
  .parameter__type, .prop-type, .model, .model *) { font-family: var(--mono) !important; }
.swagger-ui .wrapper { max-width: none; padding: 0; }
.swagger-ui .information-container { display: none; }
.swagger-ui .scheme-container .schemes > .schemes-server-container:not(:has(.auth-wrapper)),
.swagger-ui .scheme-container .schemes > .schemes-server-container > div:not(.auth-wrapper) { display: none; }
.swagger-ui .scheme-container { margin: 0; padding: 0; background: none !important; box-shadow: none !important; }
.swagger-ui .scheme-container:not(:has(.auth-wrapper)) { display: none; }
.swagger-ui .scheme-container .schemes { align-items: center; }
.swagger-ui .scheme-container .auth-wrapper { justify-content: flex-start; margin: 0; }
.swagger-ui .scheme-container .authorize { margin: 6px 0 8px; padding-right: 14px; }
.swagger-ui .opblock-tag { padding: 10px 4px; font-size: 18px; border-bottom-color: var(--line) !important; }
.swagger-ui .opblock-tag small { padding: 0 10px; font-size: 13px; }
.swagger-ui .opblock { margin: 0 0 8px; border-radius: 8px; box-shadow: none; }
.swagger-ui .opblock .opblock-summary-method { min-width: 72px; border-radius: 6px; font-size: 12px; text-shadow: none; }
.swagger-ui .opblock .opblock-summary-path { font-size: 14px; font-weight: 600; }
.swagger-ui .opblock .opblock-section-header { min-height: 40px; padding: 4px 16px; box-shadow: none; }
.swagger-ui .opblock-description-wrapper, .swagger-ui .opblock-external-docs-wrapper { padding: 10px 16px; margin: 0; }
.swagger-ui .table-container, .swagger-ui .responses-inner { padding: 10px 16px; }
.swagger-ui table tbody tr td { padding: 6px 12px 6px 0; }
.swagger-ui .parameters-col_description { margin: 0; }
.swagger-ui .parameters-col_description input, .swagger-ui .parameters-col_description select { margin-bottom: 0; }
.swagger-ui .renderedMarkdown p, .swagger-ui .markdown p { margin: 0 0 6px; }
.swagger-ui .response-col_links, .swagger-ui .responses-table .col_header.response-col_links { display: none; }
.swagger-ui .modal-ux { max-width: min(560px, calc(100vw - 24px)); border-radius: 12px; }
.swagger-ui .dialog-ux .modal-ux { min-width: min(300px, 100%); }
.swagger-ui section.models { margin: 24px 0 0; padding: 0; border-radius: 8px; background: none; }
@media (max-width: 700px) {
  main, header { padding: 0 12px; }
  header { padding-top: 20px; }
  main > section { padding: 16px 14px; border-radius: 10px; }
  .channels ul li { flex-wrap: wrap; }
  .channels ul code { min-width: 100%; }
  #events li { flex-wrap: wrap; }
  .swagger-ui .opblock-tag { flex-wrap: wrap; }
  .swagger-ui .opblock-tag small { flex-basis: 100%; padding: 0; }
  .swagger-ui .opblock .opblock-summary { flex-wrap: wrap; }
  .swagger-ui .opblock .opblock-summary-path { max-width: none; overflow-wrap: anywhere; word-break: normal; }
  .swagger-ui .opblock-summary-path-description-wrapper { flex-wrap: wrap; gap: 0 10px; min-width: 0; }
  .swagger-ui table, .swagger-ui tbody, .swagger-ui tr, .swagger-ui .parameters-col_name, .swagger-ui .parameters-col_description,
  .swagger-ui .response-col_status, .swagger-ui .response-col_description { display: block; width: 100%; max-width: 100%; min-width: 0; }
  .swagger-ui .parameters-col_name > div { display: inline-block; margin-right: 8px; padding: 0; }
  .swagger-ui table thead { display: none; }
  .swagger-ui .parameters-col_description input, .swagger-ui .parameters-col_description select { width: 100%; max-width: 100%; min-width: 0; }
  .swagger-ui .opblock-body pre { max-width: 100%; overflow: auto; }
  .swagger-ui .tab li { min-width: 0; }
}
`;
