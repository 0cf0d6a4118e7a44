// What a comparison of exit rules depends on, and what its reader must beware of.

/** In the order in which they are shown; others follow. */
const SETTING_LABELS = {
  text: 'Text',
  split: 'Split',
  validation_share: 'Validation share',
  document_tokens: 'Documents cut to (tokens)',
  paragraphs: 'Paragraphs are documents',
  max_tokens: 'At most so many tokens',
  window_tokens: 'Window (tokens)',
  begins_with: 'Every window begins with',
  begins_with_ids: 'Its token ids',
  thresholds_recorded: 'Thresholds recorded a rule',
  points: 'Thresholds run a rule, at most',
  deals: 'Draws of the dealt depths',
  timed_tokens: 'Tokens decoded for times',
  free_running: 'Free running',
  intervals: 'Intervals',
  seed: 'Seed',
  loops: 'Loops of the groups',
  kv_policy: 'KV policy',
  kv_type: 'Type of keys and values',
  first_state: 'First states',
  weight_dtype: 'Weights computed as',
  stored_dtype: 'Weights stored as',
  isa: 'Instruction set',
  model: 'Model folder',
  model_sha256: 'Model hash',
};

function settingLabel(key) {
  const words = key.replace(/_/g, ' ');
  return SETTING_LABELS[key] || words[0].toUpperCase() + words.slice(1);
}

function settingText(value) {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : number(value);
  if (Array.isArray(value)) return value.map(entry => (typeof entry === 'string' ? visibleText(entry) : settingText(entry))).join(', ');
  if (typeof value === 'object') {
    return Object.keys(value).map(key => `${key.replace(/_/g, ' ')} ${settingText(value[key]) || NONE}`).join('; ');
  }
  return String(value);
}

/** Everything in the settings, [label, text] each; nested settings that a reader looks for stand by themselves. */
function settingFacts(settings) {
  const known = Object.keys(SETTING_LABELS);
  const place = key => (known.includes(key) ? known.indexOf(key) : known.length);
  return Object.keys(settings || {}).sort((a, b) => place(a) - place(b)).map(key => {
    const value = settings[key];
    if (key !== 'number_types') return [[settingLabel(key), settingText(value)]];
    return Object.keys(value || {}).map(name => [`Number types, ${name.replace(/_/g, ' ')}`, settingText(value[name])]);
  }).flat();
}

function exitFacts(checkpoint) {
  const best = bestConstant(checkpoint);
  const costAt = constant =>
    (constant ? `${level(constant.cross_entropy.value, 'cross_entropy')} nats/token` : null);
  return [
    ['Model', checkpoint.name],
    ['Checkpoint', checkpoint.path],
    ['Tokens scored', integer(checkpoint.tokens)],
    ['Units', isNumber(checkpoint.units) ? plural(checkpoint.units, checkpoint.unit || 'unit') : null],
    ['Cross-entropy at full depth', costAt(fullDepth(checkpoint))],
    ['Best constant depth', best ? `${plural(best.loops, 'loop')}, ${costAt(best)}` : null],
    ...settingFacts(checkpoint.settings),
  ];
}

/** Sentences that hold for this checkpoint; the first are about its units. */
function warningsOf(checkpoint) {
  const {units, unit} = checkpoint;
  const comparisons = d3.sum(namedFronts(checkpoint.fronts), ({front}) => (front.points || []).length) * CONTROLS.length;
  const warnings = [];
  if (units < 2) {
    warnings.push('There is a single unit here, so nothing has an interval and nothing can be decided. Measure more text.');
  } else {
    if (unit === 'window') {
      warnings.push(`The text has few documents, so the units are its ${integer(units)} windows. Windows of one text ` +
        'resemble one another more than documents do: intervals tell of this text, and less of another one.');
    }
    if (units < 20) {
      warnings.push(`There are ${integer(units)} units. Bootstrap intervals over so few are rough, mostly too narrow.`);
    }
  }
  return [
    ...warnings,
    'The best constant depth was chosen on the very text it is judged by, so it is flattered: a rule that is no worse than ' +
      'it may still be better on other text. The thresholds that were run were chosen to spread the loops, not by their cost.',
    `There are ${integer(comparisons)} comparisons of a point with a control a cost. Were there no differences at all, some ` +
      '5 % of the intervals would miss 0 nevertheless. Trust what neighbouring points say together.',
    'Thresholds mean nothing between rules, and little between models. Compare rules at equal loops.',
    'A front’s height is a mean over the loops per token of its own points. Rules that span different loops are averaged ' +
      'over different parts of the constants.',
    'Depths over thresholds are recorded along states of full depth. Where tokens really leave, later groups and later ' +
      'tokens read other states, so the loops of a run differ from the record.',
    'Loops and layer runs do not count what a rule reads. Rules that decode (KL, entropy, top, margin) run the output head ' +
      'after every loop; only the measured time shows that. Times are of one token after the other on this machine.',
    'Oracles look at the answer. The gap to them is no promise that a rule could close it.',
    'One model, one text, one seed were measured; another model or text can behave differently.',
  ];
}
