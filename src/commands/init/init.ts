import { randomBytes } from 'node:crypto';
import { basename, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { parseWords, UsageError } from '../options.ts';
import { PACKAGE_ROOT, readVersion } from '../summary.ts';
import { DEFAULT_NAME, toAppId, toPackageName } from './app-name.ts';
import { describeNextSteps, findPackageManager, installPackages } from './next-steps.ts';
import { askChoices, type Choices, type GivenChoices, templateProblem } from './questions.ts';
import { DEFAULT_TEMPLATE, readTemplate } from './templates.ts';
import { checkTarget, writeFiles } from './write-files.ts';

/** Bytes of the secret that signs the tokens of a new application's users. */
const SECRET_BYTES = 32;

interface InitRequest extends GivenChoices {
  readonly force: boolean;
  readonly install: boolean;
  /** True to ask nothing and to use the defaults. */
  readonly yes: boolean;
}

/** `tablecast init`: a new application from a template. Resolves with the exit code. */
export async function init({ args, env }: Invocation): Promise<number> {
  const wanted = readArguments(args);
  try {
    if (wanted.dir !== undefined) checkTarget(resolve(wanted.dir), wanted);
    const choices = await choose(wanted, env);
    return await create(choices, { wanted, manager: findPackageManager(env) });
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    return 1;
  }
}

function readArguments(args: readonly string[]): InitRequest {
  const { values, positionals } = parseWords(args, ['template', 'yes', 'force', 'no-install']);
  const [dir, operand, extra] = positionals;
  if (extra !== undefined) throw new UsageError(`unexpected "${extra}": init accepts a folder and a template`);
  if (operand !== undefined && values.template !== undefined) {
    throw new UsageError(`the template is given twice: "${operand}" and --template "${values.template}"`);
  }
  const template = operand ?? (values.template as string | undefined);
  const problem = template === undefined ? undefined : templateProblem(template);
  if (problem !== undefined) throw new UsageError(problem);
  return {
    dir,
    template,
    force: values.force === true,
    install: values['no-install'] !== true,
    yes: values.yes === true,
  };
}

/** Questions are asked only at a terminal: never in a pipe, on a build server or with `--yes`. */
async function choose({ dir, template, yes }: InitRequest, env: NodeJS.ProcessEnv): Promise<Choices> {
  const mayAsk = !yes && process.stdin.isTTY && process.stdout.isTTY && (env.CI ?? '') === '';
  if (mayAsk && (dir === undefined || template === undefined)) return askChoices({ dir, template });
  return { dir: dir ?? DEFAULT_NAME, template: template ?? DEFAULT_TEMPLATE };
}

interface Context {
  readonly wanted: InitRequest;
  readonly manager: string;
}

async function create({ dir, template }: Choices, { wanted, manager }: Context): Promise<number> {
  const target = resolve(dir);
  checkTarget(target, wanted);
  const appId = toAppId(basename(target));
  const values = {
    app_id: appId,
    package_name: toPackageName(appId),
    version: readVersion(),
    secret: randomBytes(SECRET_BYTES).toString('base64url'),
  };
  const files = readTemplate(fileURLToPath(new URL('templates', PACKAGE_ROOT)), template, values);
  const ignore = () => {};
  // A signal waits until the files are complete.
  process.on('SIGINT', ignore);
  const written = writeFiles(target, files);
  process.stdout.write(`Created ${relative('.', target) || '.'} from the template ${template}.\n`);
  for (const path of written.kept) process.stdout.write(`Kept ${path}, which existed.\n`);
  const failure = wanted.install ? await installPackages(manager, target) : undefined;
  process.off('SIGINT', ignore);
  if (failure !== undefined) process.stderr.write(`\n${manager} install failed (${failure}).\n`);
  const installed = wanted.install && failure === undefined;
  const hasOwnManifest = written.kept.includes('package.json');
  process.stdout.write(describeNextSteps({ dir: relative('.', target), manager, installed, hasOwnManifest }));
  return failure === undefined ? 0 : 1;
}
