import { type ConstValueNode, Kind, type ObjectTypeDefinitionNode } from 'graphql';
import { ACTIONS, type AccessPlan, type Action, type FieldAccess, type FieldPlan, type RuleText } from '../plan.ts';
import type { DirectiveUse } from './directives.ts';
import { locate, type SchemaReport } from './schema-report.ts';

type DirectiveUses = ReadonlyMap<string, DirectiveUse>;

const FIELD_ACTIONS = ['read', 'write'] as const;

/** Returns the rules of one argument of `@access`, a string or a list, one of which has to hold. */
export function readRules(node: ConstValueNode | undefined): readonly RuleText[] | undefined {
  if (node === undefined) return undefined;
  const nodes = node.kind === Kind.LIST ? node.values : [node];
  return nodes.flatMap((item) => (item.kind === Kind.STRING ? [{ text: item.value, at: locate(item) }] : []));
}

/** Reads `@access` of a type. Undefined without rules. */
export function readAccess(uses: DirectiveUses, report: SchemaReport): AccessPlan['rules'] | undefined {
  const use = uses.get('access');
  if (use === undefined) return undefined;
  const write = use.value('write');
  if (write !== undefined) {
    report.wrong(write, 'write is for fields', 'a type has create, update and delete');
  }
  const rules = new Map<Action, readonly RuleText[]>();
  for (const action of ACTIONS) {
    const texts = readRules(use.value(action));
    if (texts !== undefined) rules.set(action, texts);
  }
  // `public` here is another spelling of @export(public:) and not a rule.
  if (rules.size === 0 && use.value('public') !== undefined) return undefined;
  if (rules.size === 0 && write === undefined) {
    report.wrong(use.node, '@access says nothing', `name one of ${ACTIONS.join(', ')}: @access(read: "authenticated")`);
  }
  return rules;
}

/** Reads `@access` of a field. */
export function readFieldAccess(uses: DirectiveUses, report: SchemaReport): FieldAccess | undefined {
  const use = uses.get('access');
  if (use === undefined) return undefined;
  if (uses.has('primaryKey')) {
    report.wrong(use.node, '@primaryKey and @access exclude each other', 'a record that is returned has an id');
  }
  for (const action of ['public', ...ACTIONS]) {
    const value = action === 'read' ? undefined : use.value(action);
    if (value !== undefined) report.wrong(value, `${action} is for types`, 'a field has read and write');
  }
  const access: { -readonly [Member in keyof FieldAccess]: FieldAccess[Member] } = {};
  for (const action of FIELD_ACTIONS) {
    const rules = readRules(use.value(action));
    if (rules !== undefined) access[action] = rules;
  }
  return access;
}

/** Reads `@account`, the field with the account that owns a record. Undefined when it is absent or not valid. */
export function readAccount(
  node: ObjectTypeDefinitionNode,
  uses: DirectiveUses,
  { fields, report }: { readonly fields: readonly FieldPlan[]; readonly report: SchemaReport },
): AccessPlan['account'] {
  const use = uses.get('account');
  if (use === undefined) return undefined;
  const name = use.text('field') ?? '';
  const at = use.value('field') ?? use.node;
  const field = fields.find((it) => it.name === name);
  if (use.text('field') === undefined) return undefined;
  if (field === undefined) {
    const names = fields.map((it) => it.name);
    report.wrong(at, `type "${node.name.value}" has no field "${name}"`, report.suggest(name, names));
    return undefined;
  }
  const isText = field.type.kind === 'scalar' && ['ID', 'String', 'Int', 'Long'].includes(field.type.name);
  if (!isText || field.hidden || field.stamp !== undefined || field.primaryKey) {
    report.wrong(at, `"${name}" cannot say whose a record is`, 'take a visible field of type ID, String, Int or Long');
    return undefined;
  }
  const claim = use.text('claim') ?? 'accountId';
  if (!/^[A-Za-z_][\w-]{0,63}$/.test(claim)) {
    report.wrong(
      use.value('claim') ?? at,
      `"${claim}" is not the name of a claim`,
      'write the name alone: claim: "orgId"',
    );
  }
  return { field, claim };
}
