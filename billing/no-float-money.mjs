/** Time is counted in numbers; these words in an operand say that it is time (or a position on paper). */
const TIME = /ms\b|seconds|days|months|hours|getTime|parse\(|1000|3600|86_400|year|month/i;
const NUMBER_PARSERS = new Set([
  'parseFloat',
  'Number.parseFloat',
  'Math.round',
  'Math.ceil',
  'Math.trunc',
  'Math.pow',
]);

/**
 * Money is bigint minor units or decimal strings. Reported in billing: products, quotients, powers and remainders of
 * `number`s that are not time; decimal fractions in code; what turns text or decimals into floats or rounds them.
 */
export const noFloatMoney = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { float: 'money is never computed in floats: use bigint or Rational ({{what}})' },
  },
  create(context) {
    const services = context.sourceCode.parserServices;
    const checker = services.program.getTypeChecker();
    const isNumber = (node) => {
      const type = checker.getBaseTypeOfLiteralType(services.getTypeAtLocation(node));
      return checker.typeToString(type) === 'number';
    };
    const report = (node, what) => context.report({ node, messageId: 'float', data: { what } });
    return {
      BinaryExpression(node) {
        if (!['*', '/', '%', '**'].includes(node.operator)) return;
        if (node.left.type === 'Literal' && node.right.type === 'Literal') return;
        if (TIME.test(context.sourceCode.getText(node))) return;
        if (isNumber(node.left) || isNumber(node.right)) report(node, `${node.operator} of numbers`);
      },
      Literal(node) {
        if (typeof node.value === 'number' && /[.]/.test(node.raw)) report(node, node.raw);
      },
      CallExpression(node) {
        const callee = context.sourceCode.getText(node.callee);
        if (NUMBER_PARSERS.has(callee)) report(node, callee);
        if (node.callee.type !== 'MemberExpression' || node.callee.property.type !== 'Identifier') return;
        const { name } = node.callee.property;
        if (name === 'toNumber' || name === 'toPrecision') report(node, name);
        // of a Decimal it is exact, of a number it is a float already
        if (name === 'toFixed' && isNumber(node.callee.object)) report(node, 'toFixed of a number');
      },
    };
  },
};
