// What the figure of attention says of numbers.
'use strict';
const assert = require('assert');
const test = require('node:test');
const {load} = require('./scripts.js');

const files = ['data.js', 'charts.js', 'captions.js', 'study_data.js', 'figures/loop_panels.js', 'figures/stability.js',
  'figures/attention.js'];
const measured = value => ({value, interval_95: [value - 0.25, value + 0.25]});
const study = {
  checkpoints: [{
    groups: [{group: 1, name: 'loop a'}],
    probes: {
      groups: [{
        group: 1,
        attention_entropy: {
          entropy: [measured(3), measured(2)], normalised: [measured(0.75), measured(0.5)],
          change: [null, measured(-1)], head_change: [null, measured(1.25)],
        },
      }],
    },
  }],
};
const names = ['attentionNumbers', 'attentionFigure', 'estimatesDomain', 'headChanges', 'normalisedEntropies'];
const {attentionNumbers, attentionFigure, estimatesDomain, headChanges, normalisedEntropies} =
  load(files, names, {study});

test('a row says entropies of the first and the last loop and the last change', () => {
  const [{value}] = attentionNumbers(study.checkpoints[0]).rows;
  assert.strictEqual(value, '3.00 [2.75, 3.25] → 2.00 [1.75, 2.25]; 0.750 [0.500, 1.00] → 0.500 [0.250, 0.750]; ' +
    '1.25 [1.00, 1.50]');
});

test('intervals are in view, and no change at all', () => {
  const [low, high] = estimatesDomain(normalisedEntropies);
  assert.ok(low < 0.25 && low > 0.1 && high > 1 && high < 1.2, `${low} ${high}`);
  const [none, most] = estimatesDomain(headChanges, [0]);
  assert.ok(none < 0 && most > 1.5);
});

test('the figure is there where attention was measured', () => {
  assert.ok(attentionFigure.measured());
  const basic = load(files, names, {study: {checkpoints: [{groups: [{group: 1, name: 'loop a'}]}]}});
  assert.ok(!basic.attentionFigure.measured());
  assert.deepStrictEqual(basic.attentionNumbers({groups: []}).rows, []);
});
