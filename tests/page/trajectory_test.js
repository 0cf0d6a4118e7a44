'use strict';
const test = require('node:test');
const assert = require('node:assert');
const {load} = require('./scripts.js');

const paths = load(
  ['data.js', 'charts.js', 'figures/trajectory.js'],
  ['segmentsOf', 'windingOf', 'equalScales', 'handoffRatio', 'withoutRepeats', 'loopPath']);

const at = (group, loop, x, y) => ({group, loop, x, y});

test('a circle winds once, its mirror image once the other way, a line not at all', () => {
  const circle = [0, 1, 2, 3, 4, 5].map(i => at(1, i, Math.cos(i * Math.PI / 2), Math.sin(i * Math.PI / 2)));
  assert.ok(Math.abs(paths.windingOf(circle) - 1) < 1e-12);
  assert.ok(Math.abs(paths.windingOf(circle.map(({x, y}) => ({x, y: -y}))) + 1) < 1e-12);
  assert.strictEqual(paths.windingOf([0, 1, 2, 3].map(i => at(1, i, i, i))), 0);
});

test('the first pass of a group is a hand-off', () => {
  const points = [at(1, 0, 0, 0), at(1, 1, 4, 0), at(1, 2, 5, 0), at(1, 3, 6, 0), at(2, 0, 6, 0), at(2, 1, 6, 9)];
  assert.deepStrictEqual(paths.segmentsOf(points).map(segment => segment.handoff), [true, false, false, true, true]);
  assert.strictEqual(paths.handoffRatio(points, {index: 1}), 4);
  assert.strictEqual(paths.handoffRatio(points, {index: 2}), null);
  assert.strictEqual(paths.withoutRepeats(points).length, 5);
  assert.deepStrictEqual(paths.loopPath(points, {index: 1}).map(({loop}) => loop), [1, 2, 3]);
});

test('both axes of a path have one scale, whichever is the longer', () => {
  const scales = paths.equalScales([at(0, 0, 0, 0), at(0, 1, 4, 1)], 120, 60, 10);
  assert.strictEqual(scales.perUnit, 25);
  assert.deepStrictEqual([scales.x(0), scales.x(4)], [10, 110]);
  assert.deepStrictEqual([scales.y(0), scales.y(1)], [42.5, 17.5]);
  assert.strictEqual(paths.equalScales([at(0, 0, 3, 3)], 120, 60, 10).x(3), 60);
});
