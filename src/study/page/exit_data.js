// The data of a comparison of exit rules, and what of them is shown.

const checkpoints = (result && result.checkpoints) || [];
const rules = listRules(checkpoints);

const state = {
  checkpoint: Math.max(0, checkpoints.length - 1),
  hidden: new Set(),
  cost: 'cross_entropy',
  axis: 'loops',
  range: 'rules',
  ownScales: false,
  sorted: null,
};

/** What leaving early costs; a share is given in percent, its differences in points of percent. */
const COSTS = {
  cross_entropy: {
    name: 'cross-entropy', unit: 'nats/token', share: false, rise: 'Rise of cross-entropy over full depth',
  },
  kl_to_full_depth: {name: 'KL to full depth', unit: 'nats/token', share: false, rise: 'KL(full depth ‖ trial)'},
  disagreement: {
    name: 'disagreement', unit: 'share of tokens', share: true, rise: 'Disagreement with full depth',
  },
};

const AXES = {
  loops: {name: 'loops', label: 'loops/token', of: trial => trial.loops_per_token},
  layer_runs: {name: 'layer runs', label: 'layer runs/token', of: trial => trial.layer_runs_per_token},
  time: {name: 'time', label: 'time, as a share of that of full depth', of: trial => (trial.time || {}).of_full_depth},
};

const CONTROLS = [
  {key: 'dealt_over_all', name: 'dealt over all tokens', order: 0},
  {key: 'dealt_within_units', name: 'dealt within units', order: 1},
  {key: 'constants_at_its_loops', name: 'constant depths', order: 2},
];

/** [{name, front}], the name being the rule as it was given; rules that were given twice are told apart. */
function namedFronts(fronts) {
  const seen = new Map();
  return (fronts || []).map(front => {
    const count = (seen.get(front.rule) || 0) + 1;
    seen.set(front.rule, count);
    return {name: count > 1 ? `${front.rule} (${count})` : front.rule, front};
  });
}

/** A series for each rule of any checkpoint. */
function listRules(studies) {
  const names = new Set(studies.map(study => namedFronts(study.fronts).map(({name}) => name)).flat());
  return [...names].map((name, order) => ({name, order}));
}

const currentCheckpoint = () => checkpoints[state.checkpoint];
const visibleRules = () => rules.filter(rule => !state.hidden.has(rule.order));

function frontOf(checkpoint, rule) {
  const named = namedFronts(checkpoint.fronts).find(({name}) => name === rule.name);
  return named ? named.front : null;
}

const pointsOf = (checkpoint, rule) => (frontOf(checkpoint, rule) || {}).points || [];
const constantsOf = checkpoint => checkpoint.constants || [];
const fullDepth = checkpoint => last(constantsOf(checkpoint));
const bestConstant = checkpoint => constantsOf(checkpoint).find(({loops}) => loops === checkpoint.best_constant);

/** The estimate of trial − control in one cost, of rules, constants and oracles alike; null where there is none. */
function differenceOf(trial, control, cost) {
  const differences = trial.minus ? trial.minus[control] : control === 'full_depth' ? trial.minus_full_depth : null;
  return (differences || {})[cost] || null;
}

/** {x, value, low, high} of an estimate with its interval, which is not known where there is one unit. */
function asPoint(x, estimate) {
  const [low, high] = (estimate && estimate.interval_95) || [];
  const orNull = value => (isNumber(value) ? value : null);
  return {x: orNull(x), value: orNull((estimate || {}).value), low: orNull(low), high: orNull(high)};
}

/** Rises over full depth of trials that have a place on the axis. */
function risesOf(trials, axis, cost) {
  return trials.map(trial => ({...asPoint(AXES[axis].of(trial), differenceOf(trial, 'full_depth', cost)), trial}))
    .filter(point => isNumber(point.x) && isNumber(point.value));
}

const freeOf = trial => trial.free_running || null;
const hasFreeRuns = checkpoint =>
  namedFronts(checkpoint.fronts).some(({front}) => (front.points || []).some(point => freeOf(point)));
const hasTimes = checkpoint => constantsOf(checkpoint).some(constant => isNumber(AXES.time.of(constant)));

/** Below 0 a rule costs less than its control. An estimate without a number says nothing. */
function verdictOf(estimate) {
  if (!estimate || !isNumber(estimate.value)) return null;
  return {below: 'better', above: 'worse'}[estimate.side_of_0] || 'unclear';
}

/** How many of some estimates are better, worse, unclear. */
function countVerdicts(estimates) {
  const counts = {better: 0, worse: 0, unclear: 0};
  for (const verdict of estimates.map(verdictOf)) {
    if (verdict) counts[verdict] += 1;
  }
  return counts;
}

function verdictWords(counts) {
  const words = Object.keys(counts).filter(verdict => counts[verdict]).map(verdict => `${counts[verdict]} ${verdict}`);
  return words.join(', ') || NONE;
}

/** A difference of costs: nats with four decimals, shares in points of percent with two. */
function difference(value, cost) {
  if (!isNumber(value)) return NONE;
  const share = COSTS[cost].share;
  const written = d3.format(share ? '+.2f' : '+.4f')(share ? 100 * value : value);
  return (/[1-9]/.test(written) ? withMinus(written) : written.slice(1)) + (share ? ' pp' : '');
}

function interval(estimate, format) {
  const [low, high] = (estimate && estimate.interval_95) || [];
  return isNumber(low) && isNumber(high) ? `${format(low)} to ${format(high)}` : 'no interval';
}

function differenceWithInterval(estimate, cost) {
  if (!estimate || !isNumber(estimate.value)) return NONE;
  const bare = value => difference(value, cost).replace(' pp', '');
  return `${difference(estimate.value, cost)} (${interval(estimate, bare)})`;
}

/** A cost: nats with four decimals, shares in percent with two. */
function level(value, cost) {
  if (!isNumber(value)) return NONE;
  return COSTS[cost].share ? d3.format('.2f')(100 * value) + '\u00a0%' : d3.format('.4f')(value);
}

const tickOf = cost => (COSTS[cost].share ? tickPercent : tickNumber);

function loopsRange(points) {
  const loops = points.map(point => point.loops_per_token).filter(isNumber);
  if (!loops.length) return NONE;
  const [low, high] = d3.extent(loops).map(d3.format('.2f'));
  return low === high ? low : `${low} to ${high}`;
}

const folderName = path => String(path || '').split('/').filter(Boolean).pop() || 'this checkpoint';
const stepName = ({step, path}) => (isNumber(step) ? 'step ' + integer(step) : folderName(path));

/** A place for each checkpoint: its training step where all have one and none comes twice, else its number. */
function trainingPlaces(studies) {
  const steps = studies.map(study => study.step);
  const ordered = steps.every((step, i) => isNumber(step) && (i === 0 || step > steps[i - 1]));
  return {places: ordered ? steps : studies.map((study, i) => i + 1), ordered};
}

/** Extent of `values` with a margin, for an axis that has to hold what is given. */
function paddedDomain(values, share = 0.06) {
  const finite = values.filter(isNumber);
  if (!finite.length) return null;
  const [low, high] = d3.extent(finite);
  const margin = (high - low || Math.abs(high) || 1) * share;
  return [low - margin, high + margin];
}

/** Values of points with the ends of their intervals. */
const endsOf = points => points.map(({value, low, high}) => [value, low, high]).flat();

/**
 * Domains of both axes of fronts. The shallowest constants may cost so much that no rule could be told from another. So
 * `range` says what has to fit beside full depth at 0: "all" points, those of the "rules" (`fronts`, a list of points
 * each), or the "cheaper" half of those.
 */
function frontDomains(fronts, constants, range) {
  const points = fronts.flat();
  const middling = d3.median(points, ({value}) => value);
  const shown = range === 'all' || !points.length ? [...points, ...constants] :
    range === 'cheaper' ? points.filter(({value}) => value <= middling) : points;
  const full = constants.length ? [last(constants)] : [];
  return {x: paddedDomain([...shown, ...full].map(({x}) => x), 0.03), y: paddedDomain([0, ...endsOf(shown)])};
}

const shortened = (string, length) => (string.length > length ? string.slice(0, Math.max(1, length - 1)) + '…' : string);
