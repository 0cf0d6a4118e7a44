// Exit rules that the page offers: how a slider's position becomes a threshold, and a threshold a rule as the server
// reads it. A slider goes from 0 (cautious: many loops) to 1 (bold: few).

const geometric = (from, to) => place => from * (to / from) ** place;
const linear = (from, to) => place => from + (to - from) * place;

const RULES = [
  {name: 'fixed', label: 'Full depth', help: 'Every token runs every loop.'},
  {name: 'accel', label: 'Acceleration', key: 'tau', scale: geometric(0.01, 2), start: 0.6,
   help: 'A token leaves when its step changes by less than this share of its state’s norm (second order).'},
  {name: 'step', label: 'Step', key: 'tau', scale: geometric(0.01, 2), start: 0.5,
   help: 'A token leaves when its step is shorter than this share of its state’s norm (first order).'},
  {name: 'kl', label: 'KL divergence', key: 'tau', unit: 'nats', scale: geometric(1e-4, 3), start: 0.6,
   help: 'A token leaves when what it would say differs by less than this from the loop before.'},
  {name: 'entropy', label: 'Entropy', key: 'tau', unit: 'nats', scale: geometric(0.02, 8), start: 0.6,
   help: 'A token leaves when it is this sure of what comes next.'},
  {name: 'top', label: 'Likeliest word', key: 'tau', scale: linear(0.999, 0.05), start: 0.5,
   help: 'A token leaves when the likeliest word has this probability.'},
  {name: 'gate', label: 'Trained gate', key: 'threshold', scale: linear(0.999, 0.01), start: 0.5, needsGate: true,
   help: 'A token leaves when the model’s own gate has let this share of it go.'},
  {name: 'loops', label: 'Fewer loops', key: 'loops', whole: true, start: 0.5,
   help: 'Every token runs this many loops of each group.'},
];

const ruleNamed = name => RULES.find(rule => rule.name === name) || RULES[0];

const loopedGroupsOf = model => model.gyre.groups.filter(group => group.loops > 1);

/** Those that a model can run. */
function rulesFor(model) {
  if (!loopedGroupsOf(model).length) return RULES.slice(0, 1);
  return RULES.filter(rule => !rule.needsGate || model.gyre.groups.some(group => group.gate));
}

/** The threshold at a place of the slider, with as many digits as are worth it. */
function thresholdAt(rule, place, model) {
  if (!rule.key) return null;
  if (rule.whole) {
    const most = d3.max(loopedGroupsOf(model), group => group.loops) || 1;
    return Math.round(most + (1 - most) * place);
  }
  return Number(rule.scale(place).toPrecision(2));
}

/** The rule as the field gyre.exit takes it. */
function exitText(rule, threshold) {
  if (!rule.key) return 'fixed';
  return rule.name === 'loops' ? `fixed:loops=${threshold}` : `${rule.name}:${rule.key}=${threshold}`;
}

function thresholdText(rule, threshold) {
  if (!rule.key) return '';
  if (rule.whole) return plural(threshold, 'loop');
  return `${rule.name === 'top' || rule.name === 'gate' ? 'at ' : 'below '}${tickNumber(threshold)}${rule.unit ? ' ' + rule.unit : ''}`;
}
