/** Checks values as if they were written out in TypeScript: the compiler refuses unknown fields, and says which. */
import ts from 'typescript';

/** A value and the exported type that it should have. */
export interface TypedValue {
  readonly name: string;
  readonly type: string;
  readonly module: string;
  readonly value: unknown;
}

/** One sentence per problem, e.g. `Service/judge spec.selectr: ... does not exist in type 'ServiceSpec'`. */
export function literalProblems(values: readonly TypedValue[]): string[] {
  const text = values
    .map(
      ({ type, module, value }) =>
        `export const v: import('${module}').${type} = ${JSON.stringify(value, null, 1)};`,
    )
    .map((statement, index) => statement.replace(' v:', ` v${index}:`))
    .join('\n');
  const file = `${import.meta.dirname}/imagined.ts`;
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
  };
  const host = ts.createCompilerHost(options);
  const fromDisk = host.getSourceFile.bind(host);
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  host.getSourceFile = (name, ...rest) => (name === file ? source : fromDisk(name, ...rest));
  const program = ts.createProgram([file], options, host);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ start = 0, messageText }) => {
      const { statement, path } = locate(source, start);
      const message = ts.flattenDiagnosticMessageText(messageText, ' ');
      return `${values[statement]?.name ?? 'unknown object'} ${path}: ${message}`;
    },
  );
}

/** Which statement a position lies in, and the path of fields that leads to it, e.g. `spec.ports[0].port`. */
function locate(source: ts.SourceFile, position: number): { statement: number; path: string } {
  let path = '';
  const visit = (node: ts.Node): void => {
    ts.forEachChild(node, (child) => {
      if (position < child.getFullStart() || position >= child.getEnd()) return;
      if (ts.isPropertyAssignment(child) && ts.isStringLiteral(child.name)) {
        path += path === '' ? child.name.text : `.${child.name.text}`;
      }
      if (ts.isArrayLiteralExpression(node))
        path += `[${node.elements.findIndex((element) => element === child)}]`;
      visit(child);
    });
  };
  visit(source);
  return { statement: source.statements.findIndex(({ end }) => position < end), path };
}
