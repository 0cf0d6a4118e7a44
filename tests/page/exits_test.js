'use strict';
const test = require('node:test');
const assert = require('node:assert');
const {load} = require('./scripts.js');

const FILES = ['data.js', 'charts.js', 'captions.js', 'exit_data.js', 'exit_facts.js', 'exit_verdicts.js', 'exit_table.js',
  'figures/fronts.js', 'figures/exit_controls.js', 'figures/thresholds.js', 'figures/oracles.js',
  'figures/exit_tasks.js', 'figures/front_training.js'];
const NAMES = ['namedFronts', 'listRules', 'asPoint', 'risesOf', 'verdictOf', 'countVerdicts', 'verdictWords', 'difference',
  'differenceWithInterval', 'differenceOf', 'level', 'loopsRange', 'stepName', 'trainingPlaces', 'paddedDomain',
  'frontDomains', 'shortened', 'settingFacts', 'settingText', 'warningsOf', 'summaryOf', 'sortedBy', 'trialsOf', 'dodged',
  'controlPoints', 'recordGap', 'oracleRows', 'heightsOverTraining', 'rules', 'hasTimes', 'bestConstant', 'taskPoints',
  'errorMinus', 'taskNumbers', 'describeTask', 'seriesDash'];

const estimate = (value, low, high, side) => ({value, interval_95: [low, high], side_of_0: side});
const better = estimate(-0.02, -0.03, -0.01, 'below');
const worse = estimate(0.02, 0.01, 0.03, 'above');
const unclear = estimate(0.001, -0.01, 0.01, 'unclear');
const unknown = estimate(null, null, null, 'unclear');

function pointAt(loops, against, threshold = null) {
  const controls = ['dealt_over_all', 'dealt_within_units', 'constants_at_its_loops', 'best_constant', 'full_depth'];
  return {
    rule: 'r', threshold, loops_per_token: loops, layer_runs_per_token: 2 * loops, time: null,
    cross_entropy: estimate(1, 0.9, 1.1),
    minus: Object.fromEntries(controls.map(control => [control, {cross_entropy: against}])),
  };
}

const constantAt = (loops, rise) => ({
  loops, loops_per_token: loops, time: null, cross_entropy: estimate(1 + rise, 1, 2),
  minus_full_depth: {cross_entropy: estimate(rise, rise, rise, 'above')},
});

const front = (rule, points, height) => ({
  rule, points, recorded_at_full_depth: [{threshold: 0.1, loops_per_token: 3}, {threshold: 1, loops_per_token: 1}],
  front_minus_constants: {cross_entropy: height},
});

const checkpoint = (step, fronts) => ({
  step, path: `runs/a/step-${step}`, units: 30, unit: 'document', tokens: 300, best_constant: 2, fronts,
  constants: [constantAt(1, 0.5), constantAt(2, -0.1), constantAt(3, 0)],
  oracles: [{
    name: 'least-loss', cross_entropy_of_the_depths_it_picks: 0.7, cross_entropy: estimate(0.8, 0.7, 0.9),
    loops_per_token: 2, minus_full_depth: {cross_entropy: estimate(-0.2, -0.3, -0.1, 'below')},
  }],
});

const result = {checkpoints: [
  checkpoint(100, [front('accel', [pointAt(1.5, better, 1), pointAt(2, unclear, 0.1)], worse)]),
  checkpoint(200, [
    front('accel', [pointAt(1.5, better), pointAt(2.5, unclear)], better), front('step', [pointAt(2, worse)], unknown),
  ]),
]};
const page = load(FILES, NAMES, {result});
const [early, late] = result.checkpoints;

test('a page without data has no rules', () => {
  assert.deepStrictEqual(load(FILES, NAMES, {result: null}).rules, []);
  assert.deepStrictEqual(load(FILES, NAMES, {result: {checkpoints: [{}]}}).rules, []);
});

test('rules are those of all checkpoints, and one that was given twice is two', () => {
  assert.deepStrictEqual(page.rules, [{name: 'accel', order: 0}, {name: 'step', order: 1}]);
  assert.deepStrictEqual(
    page.namedFronts([{rule: 'a'}, {rule: 'b'}, {rule: 'a'}]).map(({name}) => name), ['a', 'b', 'a (2)']);
});

test('below 0 is better, above worse, and no number is no verdict', () => {
  assert.deepStrictEqual([better, worse, unclear, unknown, null].map(page.verdictOf),
    ['better', 'worse', 'unclear', null, null]);
  assert.deepStrictEqual(page.countVerdicts([better, worse, worse, unknown]), {better: 1, worse: 2, unclear: 0});
  assert.strictEqual(page.verdictWords({better: 1, worse: 2, unclear: 0}), '1 better, 2 worse');
  assert.strictEqual(page.verdictWords({better: 0, worse: 0, unclear: 0}), '–');
});

test('differences have four decimals in nats and two in points of percent', () => {
  assert.strictEqual(page.difference(-0.02, 'cross_entropy'), '−0.0200');
  assert.strictEqual(page.difference(0.00001, 'kl_to_full_depth'), '0.0000');
  assert.strictEqual(page.difference(-0.00001, 'kl_to_full_depth'), '0.0000');
  assert.strictEqual(page.difference(0.0125, 'disagreement'), '+1.25 pp');
  assert.strictEqual(page.difference(null, 'disagreement'), '–');
  assert.strictEqual(page.differenceWithInterval(better, 'cross_entropy'), '−0.0200 (−0.0300 to −0.0100)');
  assert.strictEqual(page.differenceWithInterval(estimate(0.5, null, null), 'disagreement'), '+50.00 pp (no interval)');
  assert.strictEqual(page.differenceWithInterval(unknown, 'cross_entropy'), '–');
  assert.strictEqual(page.level(0.25, 'disagreement'), '25.00\u00a0%');
  assert.strictEqual(page.level(1.5, 'cross_entropy'), '1.5000');
});

test('points of figures: an interval that is not known is left out, a trial without a place too', () => {
  assert.deepStrictEqual(page.asPoint(2, better), {x: 2, value: -0.02, low: -0.03, high: -0.01});
  assert.deepStrictEqual(page.asPoint(undefined, unknown), {x: null, value: null, low: null, high: null});
  assert.deepStrictEqual(page.asPoint(1, null), {x: 1, value: null, low: null, high: null});
  assert.deepStrictEqual(page.risesOf(late.fronts[0].points, 'layer_runs', 'cross_entropy').map(({x}) => x), [3, 5]);
  assert.deepStrictEqual(page.risesOf(late.fronts[0].points, 'time', 'cross_entropy'), []);
  assert.deepStrictEqual(page.risesOf(late.constants, 'loops', 'cross_entropy').map(({value}) => value), [0.5, -0.1, 0]);
  assert.strictEqual(page.hasTimes(late), false);
  assert.deepStrictEqual(page.controlPoints([pointAt(2, unknown), pointAt(3, worse)], 'dealt_over_all', 'cross_entropy')
    .map(({x, value}) => [x, value]), [[3, 0.02]]);
  assert.deepStrictEqual([0, 1, 2].map(order => page.dodged([{x: 5}], order, 3, 0.5)[0].x), [4.5, 5, 5.5]);
});

test('the rules set the scale of the fronts, unless all or the cheaper ones are wanted', () => {
  const at = (x, value) => ({x, value, low: null, high: null});
  const fronts = [[at(4, 0.2), at(6, 0.1)], [at(5, 1)]];
  const constants = [at(1, 10), at(10, 0)];
  const rounded = domains => [domains.x, domains.y].map(domain => domain.map(end => Math.round(100 * end) / 100));
  assert.deepStrictEqual(rounded(page.frontDomains(fronts, constants, 'rules')), [[3.82, 10.18], [-0.06, 1.06]]);
  assert.deepStrictEqual(rounded(page.frontDomains(fronts, constants, 'all')), [[0.73, 10.27], [-0.6, 10.6]]);
  assert.deepStrictEqual(rounded(page.frontDomains(fronts, constants, 'cheaper')), [[3.82, 10.18], [-0.01, 0.21]]);
  assert.deepStrictEqual(rounded(page.frontDomains([], constants, 'rules')), [[0.73, 10.27], [-0.6, 10.6]]);
  assert.strictEqual(page.frontDomains([], [], 'rules').x, null);
});

test('oracles stand beside full depth and the best constant', () => {
  const rows = page.oracleRows(late, 'cross_entropy').map(({name, point}) => [name, Math.round(100 * point.value) / 100]);
  assert.deepStrictEqual(rows, [['full depth (3 loops)', 0], ['best constant (2 loops)', -0.1],
    ['least-loss: promised', -0.3], ['least-loss: run', -0.2]]);
  assert.deepStrictEqual(page.oracleRows(late, 'disagreement').map(({name}) => name), ['full depth (3 loops)']);
});

test('a run differs from its record', () => {
  assert.strictEqual(page.recordGap(early, {name: 'accel'}), -1);
  assert.strictEqual(page.recordGap(late, {name: 'step'}), null);
});

test('checkpoints stand at their steps, or in their order where there are none', () => {
  assert.deepStrictEqual(page.trainingPlaces([{step: 5}, {step: 9}]), {places: [5, 9], ordered: true});
  assert.deepStrictEqual(page.trainingPlaces([{step: 5}, {step: 5}]), {places: [1, 2], ordered: false});
  assert.deepStrictEqual(page.trainingPlaces([{step: null}, {step: 5}]), {places: [1, 2], ordered: false});
  assert.deepStrictEqual(page.heightsOverTraining({name: 'accel'}, 'cross_entropy').map(({x, value}) => [x, value]),
    [[100, 0.02], [200, -0.02]]);
  assert.deepStrictEqual(page.heightsOverTraining({name: 'step'}, 'cross_entropy'), []);
  assert.strictEqual(page.stepName({step: 1500}), 'step 1,500');
  assert.strictEqual(page.stepName({step: null, path: 'models/a/'}), 'a');
});

test('the summary counts fronts and points', () => {
  assert.strictEqual(page.summaryOf(late, 'cross_entropy'),
    'By cross-entropy, of 1 front, 1 lies below the constant depths (better), 0 above (worse), and 0 are unclear. ' +
    'Of 3 points held against their own depths dealt out over all tokens: 1 better, 1 worse, 1 unclear; ' +
    'within units: 1 better, 1 worse, 1 unclear.');
  assert.match(page.summaryOf(late, 'disagreement'), /^No rule has two points/);
});

test('every setting is shown, those that are looked for first', () => {
  assert.deepStrictEqual(
    page.settingFacts({odd_thing: 0.5, number_types: {weights: ['bf16', 'q4_0']}, seed: 1, text: 'a.txt', split: null}), [
      ['Text', 'a.txt'], ['Split', null], ['Seed', '1'], ['Odd thing', '0.500'], ['Number types, weights', 'bf16, q4_0']]);
  assert.strictEqual(page.settingText({tokens: 16, prompt_tokens: null}), 'tokens 16; prompt tokens –');
  assert.strictEqual(page.settingText(false), 'no');
  assert.strictEqual(page.settingText(['a b']), 'a␣b');
});

test('the reader is warned of windows, of few units, and of one', () => {
  const first = study => page.warningsOf({...late, ...study})[0];
  assert.match(first({unit: 'window', units: 24}), /^The text has few documents, so the units are its 24 windows/);
  assert.match(first({units: 9}), /^There are 9 units/);
  assert.match(first({units: 1}), /^There is a single unit here/);
  assert.match(first({units: 30}), /^The best constant depth was chosen/);
  assert.ok(page.warningsOf(late).some(warning => warning.startsWith('There are 9 comparisons')));
});

test('the table sorts both ways, what is not known last', () => {
  const rows = [{v: 2}, {v: null}, {v: 1}, {v: NaN}, {v: 3}];
  assert.deepStrictEqual(page.sortedBy(rows, ({v}) => v, false).map(({v}) => v), [1, 2, 3, null, NaN]);
  assert.deepStrictEqual(page.sortedBy(rows, ({v}) => v, true).map(({v}) => v), [3, 2, 1, null, NaN]);
  assert.deepStrictEqual(page.trialsOf(late).map(({title}) => title), [
    'fixed:loops=1', 'fixed:loops=2 (best)', 'fixed:loops=3 (full depth)', 'r', 'r', 'r', 'oracle least-loss']);
  assert.strictEqual(page.loopsRange([pointAt(2, better), pointAt(1, better)]), '1.00 to 2.00');
  assert.strictEqual(page.loopsRange([]), '–');
  assert.strictEqual(page.shortened('abcdef', 4), 'abc…');
  assert.strictEqual(page.shortened('abcd', 4), 'abcd');
});

test('points of a task stand at its own loops, and what was not asked is left out', () => {
  const asked = {
    loops_per_token: 2.5, accuracy: estimate(0.75, 0.7, 0.8),
    minus: {dealt: {error: better}, constants_at_its_loops: {error: unclear}, full_depth: {error: worse}},
  };
  const constant = {loops: 3, tasks: [{loops_per_token: 3, accuracy: estimate(0.7, 0.6, 0.8), minus_full_depth: {error: unclear}}]};
  const trial = {...pointAt(2, better), tasks: [asked]};
  const at = control => page.taskPoints([trial, pointAt(1, worse)], 0, page.errorMinus(control)).map(({x, value}) => [x, value]);
  assert.deepStrictEqual(at('full_depth'), [[2.5, 0.02]]);
  assert.deepStrictEqual(at('dealt'), [[2.5, -0.02]]);
  assert.deepStrictEqual(page.taskPoints([constant], 0, page.errorMinus('full_depth')).map(({x}) => x), [3]);
  assert.deepStrictEqual(page.taskPoints([constant], 0, page.errorMinus('dealt')), []);
  const told = Object.fromEntries(page.describeTask({trial, task: 0})[1]);
  assert.strictEqual(told.accuracy, '75.00\u00a0% (70.00\u00a0% to 80.00\u00a0%)');
  assert.strictEqual(told['error − dealt'], '−2.00 pp (−3.00 to −1.00)');
  const study = {...late, tasks: [{task: 'piqa'}], fronts: [front('accel', [trial], better)]};
  assert.deepStrictEqual(page.taskNumbers(study).rows.map(({group, value}) => [group.name, value]),
    [['dealt depths (piqa)', '1 better'], ['constant depths (piqa)', '1 unclear']]);
});

test('a series that shares its colour with another is told apart by its line', () => {
  const dash = order => page.seriesDash({order});
  assert.deepStrictEqual([null, dash(0), dash(6), dash(7), dash(14), dash(21)].slice(1), [null, null, '9 3', '2 3', null]);
  assert.strictEqual(page.seriesDash(null), null);
});
