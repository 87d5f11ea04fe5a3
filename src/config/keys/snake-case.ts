/** Converts camelCase to snake_case: `jsonDepth` → `json_depth`. */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
