'use strict';
const test = require('node:test');
const assert = require('node:assert');
const {load} = require('./scripts.js');

const charts = load(['data.js', 'charts.js'], [
  'logDomain', 'linearDomain', 'logTicks', 'loopTicks', 'valueScale', 'valueTicks', 'seriesColour', 'seriesSymbol',
]);

test('a logarithmic domain holds the positive values with a margin', () => {
  assert.deepStrictEqual(charts.logDomain([0, -1, 10, null, 1000, NaN]), [8, 1250]);
  assert.strictEqual(charts.logDomain([0, -3, null]), null);
});

test('a linear domain has a margin of 8 % and may reach down to a floor', () => {
  assert.deepStrictEqual(charts.linearDomain([0, 100, null]), [-8, 108]);
  assert.deepStrictEqual(charts.linearDomain([50, 100], {floor: 0}), [0, 104]);
  assert.deepStrictEqual(charts.linearDomain([5, 5]), [4.6, 5.4]);
  assert.deepStrictEqual(charts.linearDomain([0]), [-0.08, 0.08]);
  assert.strictEqual(charts.linearDomain([]), null);
});

test('logarithmic ticks: decades, else 1-2-5, else every digit, else even ones', () => {
  assert.deepStrictEqual(charts.logTicks([0.5, 2000]), [1, 10, 100, 1000]);
  assert.deepStrictEqual(charts.logTicks([0.9, 12]), [1, 2, 5, 10]);
  assert.deepStrictEqual(charts.logTicks([1.5, 6.5]), [2, 3, 4, 5, 6]);
  assert.deepStrictEqual(charts.logTicks([1.1, 1.5]), [1.1, 1.2, 1.3, 1.4, 1.5]);
  assert.ok(charts.logTicks([1e-12, 1e12]).length <= 7);
});

test('ticks of loops are whole numbers, all of them where they fit', () => {
  assert.deepStrictEqual(charts.loopTicks(1, 4, 300), [1, 2, 3, 4]);
  assert.deepStrictEqual(charts.loopTicks(1, 100, 240), [20, 40, 60, 80, 100]);
  assert.deepStrictEqual(charts.loopTicks(1, 1, 10), [1]);
});

test('scales map ends to ends and do not leave the plot', () => {
  const log = charts.valueScale('log', [1, 100], [200, 0]);
  assert.deepStrictEqual([1, 10, 100, 1e6, 1e-6].map(log), [200, 100, 0, 0, 200]);
  const linear = charts.valueScale('linear', [0, 4], [0, 100]);
  assert.deepStrictEqual([0, 1, 4, 5].map(linear), [0, 25, 100, 100]);
  assert.deepStrictEqual(charts.valueTicks('linear', [0, 1]), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepStrictEqual(charts.valueTicks('log', [1, 1000]), [1, 10, 100, 1000]);
});

test('a series keeps its colour and symbol, and those without one share them', () => {
  assert.strictEqual(charts.seriesColour({order: 2}), 'var(--g2)');
  assert.strictEqual(charts.seriesColour({order: 9}), 'var(--g2)');
  assert.notStrictEqual(charts.seriesSymbol({order: 2}), charts.seriesSymbol({order: 9}));
  assert.strictEqual(charts.seriesColour(null), 'var(--once)');
  assert.notStrictEqual(charts.seriesSymbol({order: 0}), charts.seriesSymbol({order: 1}));
  assert.strictEqual(charts.seriesSymbol(null), charts.seriesSymbol({order: 0}));
});
