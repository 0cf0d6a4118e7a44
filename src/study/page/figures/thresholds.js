// The depth that each rule would choose along states of full depth, threshold by threshold.

const recordedOf = (checkpoint, rule) => ((frontOf(checkpoint, rule) || {}).recorded_at_full_depth || [])
  .filter(({threshold, loops_per_token}) => threshold > 0 && isNumber(loops_per_token));

/** Points with a threshold of their own: x is that, y the loops that were really run. */
const runOf = (checkpoint, rule) => pointsOf(checkpoint, rule)
  .filter(({threshold, loops_per_token}) => threshold > 0 && isNumber(loops_per_token))
  .map(point => ({x: point.threshold, value: point.loops_per_token, low: null, high: null, trial: point}));

function drawThresholds(parent) {
  const checkpoint = currentCheckpoint();
  const shown = visibleRules().filter(rule => recordedOf(checkpoint, rule).length);
  if (!shown.length) {
    return appendNote(parent, visibleRules().length ? 'No rule shown was recorded: each was given with its threshold.' :
      'No rule is selected.');
  }
  const recorded = shown.map(rule => recordedOf(checkpoint, rule)).flat();
  const run = shown.map(rule => runOf(checkpoint, rule)).flat();
  const width = parent.node().clientWidth;
  const x = logDomain(recorded.map(({threshold}) => threshold));
  const frame = appendFrame(parent, {
    width, height: 380, title: 'Loops over threshold',
    x: {kind: 'log', domain: x, ticks: logTicks(x), format: tickNumber, label: 'threshold (log; each rule has its own)'},
    y: {
      kind: 'linear', label: 'loops/token; lines: along states of full depth',
      domain: linearDomain([...recorded.map(point => point.loops_per_token), ...run.map(({value}) => value)]),
    },
  });
  for (const rule of shown) {
    const own = {...frame, plot: frame.plot.append('g').attr('class', 'front').attr('data-rule', rule.order)};
    appendThinLine(own, rule, recordedOf(checkpoint, rule).map(one => ({x: one.threshold, value: one.loops_per_token})));
    appendIntervals(own, rule, runOf(checkpoint, rule), ({x: threshold, trial}) => [trial.rule, [
      ['threshold', number(threshold)], ['loops/token, run', number(trial.loops_per_token, 4)],
    ]]);
  }
}

/** The largest distance between loops recorded and run at one threshold. */
function recordGap(checkpoint, rule) {
  const gaps = runOf(checkpoint, rule).map(({x, value}) => {
    const one = recordedOf(checkpoint, rule).find(({threshold}) => threshold === x);
    return one ? value - one.loops_per_token : null;
  }).filter(isNumber);
  return gaps.length ? gaps[d3.scan(gaps, (a, b) => Math.abs(b) - Math.abs(a))] : null;
}

function thresholdNumbers(checkpoint) {
  return perRule('Thresholds recorded, the safest first: loops/token along them; the furthest that a run was from its record', rule => {
    const recorded = recordedOf(checkpoint, rule);
    if (!recorded.length) return null;
    const [first, final] = [recorded[0], last(recorded)];
    const gap = recordGap(checkpoint, rule);
    return `${number(first.threshold)} to ${number(final.threshold)}: ${arrow(first.loops_per_token, final.loops_per_token)}` +
      (isNumber(gap) ? `; run ${signed(gap)}` : '');
  });
}

const thresholdsFigure = {
  id: 'thresholds',
  title: 'Depth over threshold',
  draw: drawThresholds,
  axes:
    'Across, logarithmic: the threshold of each rule, in its own quantity. Up: loops per token. Line: what the rule would ' +
    'choose along states of full depth, where nobody leaves; marks: what it ran when tokens did leave.',
  reading:
    'A steep line is a rule that a small change of its threshold upsets; a flat one gives little to choose. A mark off its ' +
    'line shows how far leaving changes the states that the rule reads. No two rules share a scale across.',
  numbers: thresholdNumbers,
};
