// How much the step itself changes.

const RIGHT_ANGLE_ACCELERATION = Math.SQRT1_2;  // Two steps of one length at a right angle: √2 / 2.

function drawAccelerations(parent) {
  drawLoopPanels(parent, {
    quantity: 'acceleration', kind: 'log', domain: logDomain(allValues('acceleration')),
    label: 'acceleration (L2, units of the state, log)',
  });
  if (!visibleGroups().length) return;
  drawLoopPanels(parent, {
    quantity: 'normalised_acceleration', kind: 'linear',
    domain: allValues('normalised_acceleration').length ? [0, 1] : null,
    label: 'normalised acceleration (no unit, 0 to 1)',
    decorate: frame => appendReference(frame, RIGHT_ANGLE_ACCELERATION, 'equal steps at a right angle'),
  });
}

function accelerationNumbers(checkpoint) {
  return perGroup('Acceleration at the last loop', group => {
    const loop = last(loopsOf(checkpoint, group)) || {};
    const ratio = middle(loop.acceleration) / middle(loop.step);
    if (!loop.acceleration || !isNumber(ratio)) return null;
    return `${number(ratio)} of the step norm, normalised ${number(middle(loop.normalised_acceleration))}`;
  });
}

const accelerationFigure = {
  id: 'acceleration',
  title: 'How much the step itself changes',
  draw: drawAccelerations,
  numbers: accelerationNumbers,
  axes:
    `${PER_LOOP_AXES} Up, first row, logarithmic: acceleration, the length of the change of the step. Second ` +
    'row: the same divided by the sum of the two step lengths, so that 0 is the same step again and 1 an ' +
    'exact reversal.',
  paper:
    'The paper leaves the loop when the (unnormalised) acceleration is below a threshold twice in a row. ' +
    'Where the cosine is 0.5 to 0.65 and each step at least 0.8 of the one before, acceleration is 0.84 to ' +
    '1.15 times the step norm, so there the two say nearly the same.',
};
