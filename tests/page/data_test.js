'use strict';
const test = require('node:test');
const assert = require('node:assert');
const {load} = require('./scripts.js');

const data = load(['data.js'], [
  'number', 'tickNumber', 'integer', 'signed', 'tickSigned', 'percent', 'tickPercent', 'nats', 'times', 'arrow',
  'plural', 'middle', 'valuesOfDistribution', 'range', 'distributionRows', 'visibleText', 'sentence', 'isNumber',
]);

test('numbers have three significant digits', () => {
  const written = [0.0312, 7, 4.5e-6, 12400, -0.25, 0, 999.6, 1e-4, 2.5e7, 1e6].map(value => data.number(value));
  assert.deepStrictEqual(
    written, ['0.0312', '7.00', '4.5×10⁻⁶', '12,400', '−0.250', '0', '1000', '10⁻⁴', '2.5×10⁷', '10⁶']);
  assert.strictEqual(data.number(1 / 3, 2), '0.33');
  assert.strictEqual(data.tickNumber(0.5), '0.5');
});

test('what is no number is a dash', () => {
  for (const value of [null, undefined, NaN, Infinity, '3']) {
    for (const format of ['number', 'integer', 'signed', 'percent', 'nats', 'times']) {
      assert.strictEqual(data[format](value), '–', `${format}(${value})`);
    }
    assert.strictEqual(data.isNumber(value), false);
  }
});

test('signs, shares and counts', () => {
  assert.strictEqual(data.signed(0.5), '+0.50');
  assert.strictEqual(data.signed(-0.126), '−0.13');
  assert.strictEqual(data.tickSigned(0), '0');
  assert.strictEqual(data.tickSigned(-0.5), '−0.5');
  assert.strictEqual(data.percent(0.375), '38\u00a0%');
  assert.strictEqual(data.percent(0.00005), 'below 0.01\u00a0%');
  assert.strictEqual(data.percent(0), '0\u00a0%');
  assert.strictEqual(data.tickPercent(0.25), '25\u00a0%');
  assert.strictEqual(data.integer(1234567), '1,234,567');
  assert.strictEqual(data.plural(1, 'loop'), '1 loop');
  assert.strictEqual(data.plural(2000, 'loop'), '2,000 loops');
  assert.strictEqual(data.arrow(1, 0.25), '1.00 → 0.250');
  assert.strictEqual(data.times(0.25), '×0.25');
  assert.strictEqual(data.nats(1.5), '1.50 nats');
});

test('the middle of a distribution is its median, else its mean', () => {
  assert.strictEqual(data.middle({p50: 2, mean: 3}), 2);
  assert.strictEqual(data.middle({p50: null, mean: 3}), 3);
  assert.strictEqual(data.middle({}), null);
  assert.strictEqual(data.middle(null), null);
  assert.deepStrictEqual(data.valuesOfDistribution({p10: 1, p50: 2, p90: 4, mean: 3}), [1, 2, 4, 2]);
  assert.deepStrictEqual(data.valuesOfDistribution(null), []);
});

test('a distribution in a tooltip', () => {
  const distribution = {p10: 1, p50: 2, p90: 4, mean: 3};
  assert.strictEqual(data.range(distribution), '1.00 to 4.00');
  assert.strictEqual(data.range({p10: 1}), '–');
  assert.deepStrictEqual(
    data.distributionRows(distribution, data.signed),
    [['median', '+2.00'], ['p10 to p90', '+1.00 to +4.00'], ['mean', '+3.00']]);
});

test('white space of tokens can be seen, sentences end', () => {
  assert.strictEqual(data.visibleText(' a\n\t\r'), '␣a↵⇥␍');
  assert.strictEqual(data.visibleText(null), '');
  assert.strictEqual(data.sentence(' It holds '), 'It holds.');
  assert.strictEqual(data.sentence('Does it?'), 'Does it?');
  assert.strictEqual(data.sentence(''), '');
});
