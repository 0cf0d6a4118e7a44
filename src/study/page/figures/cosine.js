// The angle between consecutive steps.

function drawCosines(parent) {
  const values = allValues('cosine');
  drawLoopPanels(parent, {
    quantity: 'cosine', kind: 'linear', format: signed, tickFormat: tickSigned,
    label: 'cosine of step k and step k − 1',
    domain: values.length ? [Math.min(-0.25, d3.min(values) - 0.05), 1] : null,
    decorate: frame => {
      appendRange(frame, PAPER_COSINE, 'paper: +0.5 to +0.65');
      appendReference(frame, 0, 'right angle', {solid: true});
    },
  });
}

function cosineNumbers(checkpoint) {
  return perGroup('Median cosine, over all loops', group => {
    const cosines = middles(checkpoint, group, 'cosine');
    return cosines.length ? `${signed(d3.median(cosines))}, at the last loop ${signed(last(cosines))}` : null;
  });
}

const cosineFigure = {
  id: 'cosine',
  title: 'How much consecutive steps turn',
  finding: 'steps_turn',
  draw: drawCosines,
  numbers: cosineNumbers,
  axes:
    `${PER_LOOP_AXES} Up: the cosine of the angle between a step and the one before it, from the second loop ` +
    'on. Grey: the range that the paper reports.',
  paper:
    'The cosine settles at about +0.5 to +0.65 in later checkpoints: consecutive steps stay positively ' +
    'correlated.',
};
