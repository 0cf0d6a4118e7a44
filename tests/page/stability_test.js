// What figures of stability say of numbers.
'use strict';
const assert = require('assert');
const test = require('node:test');
const {load} = require('./scripts.js');

const files = ['data.js', 'charts.js', 'captions.js', 'study_data.js', 'figures/loop_panels.js', 'figures/stability.js'];
const study = {
  checkpoints: [{
    groups: [{group: 1, name: 'loop a'}],
    probes: {
      groups: [{
        group: 1, growth: [{value: 0.5, interval_95: [0.25, 1]}, null],
        lyapunov: [{value: -0.5, interval_95: [-1, -0.25]}], lyapunov_further: [null],
        largest_singular_value: [{value: 2, interval_95: [1, 3]}],
        endings: {tokens: 4, fixed: 1, cycles: {2: 1, 3: 1}, moving: 1},
      }],
    },
  }],
};
const {estimate, endingsText, growthDomain, stabilityNumbers} =
  load(files, ['estimate', 'endingsText', 'growthDomain', 'stabilityNumbers'], {study});

test('an estimate is shown with its interval, and what is not there as such', () => {
  assert.strictEqual(estimate({value: 0.5, interval_95: [0.25, 1]}), '0.500 [0.250, 1.00]');
  assert.strictEqual(estimate(null), '–');
});

test('endings add up over periods', () => {
  assert.strictEqual(endingsText({tokens: 4, fixed: 1, cycles: {2: 1, 3: 1}, moving: 1}).replace(/\u00a0/g, ' '),
    '25 % at rest, 50 % in orbits, 25 % moving');
  assert.strictEqual(endingsText(undefined), '–');
});

test('growth is drawn with 0 in view and whole intervals', () => {
  const [low, high] = growthDomain();
  assert.ok(low < 0 && high > 1);
});

test('a row says exponents, singular value and endings', () => {
  const [{value}] = stabilityNumbers(study.checkpoints[0]).rows;
  assert.ok(value.startsWith('−0.500 [−1.00, −0.250] → –; 2.00 [1.00, 3.00]; 25'), value);
});
