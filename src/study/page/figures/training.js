// Figures with training steps on the x axis.

const trainingStep = (checkpoint, i) => (isNumber(checkpoint.step) ? checkpoint.step : i);
const trainingSteps = () => checkpoints.map(trainingStep);

function trainingAxis(width) {
  const steps = trainingSteps();
  const [low, high] = d3.extent(steps);
  const margin = (high - low || 1) * 0.04;
  return {
    domain: [low - margin, high + margin],
    ticks: steps.length * 70 < width ? steps : d3.ticks(low, high, Math.max(2, Math.floor(width / 110))),
    label: 'training step',
  };
}

/** One panel, one line per entry of `series`: {group, points}. The selected checkpoint is marked. */
function drawTrainingPanel(parent, panel) {
  const {width, title, label, kind, domain, format = number, tickFormat, series, decorate = () => {}} = panel;
  const cell = parent.append('div');
  if (!domain) return appendNote(cell, `${title}: not measured.`);
  const frame = appendFrame(cell, {width, title, x: trainingAxis(width), y: {kind, domain, tickFormat, label}});
  const selected = frame.x(trainingStep(currentCheckpoint(), state.checkpoint));
  frame.plot.append('line').attr('class', 'cursor').attr('x1', selected).attr('x2', selected)
    .attr('y2', frame.inner.height);
  decorate(frame);
  for (const {group, points} of series) appendSeries(frame, group, points);
  attachHover(frame, trainingSteps(), position => [
    'step ' + integer(position),
    series.map(({group, points}) =>
      [group ? group.name : 'model', format(points.find(point => point.x === position).value)]),
  ]);
}

/** Series over training for the visible groups; `measure(checkpoint, group)` gives {value, low, high}. */
function trainingSeries(measure) {
  return visibleGroups().map(group => ({
    group,
    points: checkpoints.map((checkpoint, i) => ({x: trainingStep(checkpoint, i), ...measure(checkpoint, group)})),
  }));
}

function driftMeasure(checkpoint, group) {
  const drift = (groupData(checkpoint, group) || {}).drift_to_loop;
  return {value: middle(drift), low: drift ? drift.p10 : null, high: drift ? drift.p90 : null};
}

const lastRelativeStep = (checkpoint, group) => {
  const loop = last(loopsOf(checkpoint, group));
  return loop ? middle(loop.relative_step) : null;
};
const medianCosine = (checkpoint, group) => {
  const cosine = d3.median(middles(checkpoint, group, 'cosine'));
  return cosine === undefined ? null : cosine;
};

function measuresOver(measure) {
  return checkpoints.map(checkpoint => loopedGroups.map(group => measure(checkpoint, group))).flat();
}

function drawDriftTraining(parent, width) {
  drawTrainingPanel(parent, {
    width, title: 'Drift-to-loop ratio in training', label: 'drift-to-loop ratio (no unit, log)', kind: 'log',
    domain: driftDomain(), series: trainingSeries(driftMeasure),
    decorate: frame => appendReference(frame, 1, 'drift = one mean step'),
  });
}

function drawTraining(parent) {
  const groups = visibleGroups();
  const {row, width} = appendRow(parent, 4, 400, 2);
  const steps = measuresOver(lastRelativeStep);
  const cosines = measuresOver(medianCosine).filter(isNumber);
  if (groups.length) {
    drawTrainingPanel(row, {
      width, title: 'Relative step at the last loop', label: 'median ‖Δ‖ / ‖x‖ (no unit, log)', kind: 'log',
      domain: logDomain(steps),
      series: trainingSeries((checkpoint, group) => ({value: lastRelativeStep(checkpoint, group)})),
    });
    drawTrainingPanel(row, {
      width, title: 'Cosine of consecutive steps', label: 'median over loops of the median cosine', kind: 'linear',
      format: signed, tickFormat: tickSigned,
      domain: cosines.length ? [Math.min(-0.1, d3.min(cosines) - 0.05), Math.max(0.8, d3.max(cosines) + 0.05)] : null,
      series: trainingSeries((checkpoint, group) => ({value: medianCosine(checkpoint, group)})),
      decorate: frame => {
        appendRange(frame, PAPER_COSINE, 'paper: +0.5 to +0.65');
        appendReference(frame, 0, 'right angle', {solid: true});
      },
    });
    drawDriftTraining(row, width);
  }
  drawTrainingPanel(row, {
    width, title: 'Cross-entropy of the model', label: 'nats per token', kind: 'linear',
    domain: linearDomain(checkpoints.map(checkpoint => checkpoint.ce)),
    series: [{
      group: null,
      points: checkpoints.map((checkpoint, i) => ({x: trainingStep(checkpoint, i), value: checkpoint.ce})),
    }],
  });
}

function separationNumbers() {
  if (checkpoints.length < 2) return perGroup('', () => null);
  const [first, final] = [checkpoints[0], last(checkpoints)];
  return perGroup(`Median drift-to-loop ratio, ${stepName(first)} → ${stepName(final)}`, group => {
    const [from, to] = [first, final].map(checkpoint => driftMeasure(checkpoint, group).value);
    return isNumber(from) && isNumber(to) ? `${arrow(from, to)} (${times(to / from)})` : null;
  });
}

const trainingFigure = {
  id: 'training',
  title: 'Across training',
  finding: 'scales_separate',
  draw: drawTraining,
  numbers: separationNumbers,
  needsSeveral: true,
  axes:
    'Across: the training step of the checkpoint; the vertical line is the selected one. Up: per group, the ' +
    'median relative step at the last loop, the cosine of consecutive steps and the drift-to-loop ratio; and ' +
    'the cross-entropy of the model.',
  paper: 'As training goes on the two scales separate more.',
};
