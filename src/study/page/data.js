// What any page of measurements needs of numbers: distributions, formats, words. No drawing, nothing of one page's data.

const isNumber = value => typeof value === 'number' && Number.isFinite(value);
const last = list => list[list.length - 1];

/** The middle of a distribution: its median, or its mean where no median was stored. */
function middle(distribution) {
  if (!distribution) return null;
  return isNumber(distribution.p50) ? distribution.p50 : isNumber(distribution.mean) ? distribution.mean : null;
}

function valuesOfDistribution(distribution) {
  return distribution ? [distribution.p10, distribution.p50, distribution.p90, middle(distribution)] : [];
}

const NONE = '–';
const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const withMinus = string => string.replace(/-/g, '−');
const integer = value => (isNumber(value) ? d3.format(',')(value) : NONE);

function powerOfTen(exponent) {
  const digits = [...String(Math.abs(exponent))].map(digit => SUPERSCRIPTS[digit]).join('');
  return '10' + (exponent < 0 ? '⁻' : '') + digits;
}

function scientific(value, digits) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
  const power = powerOfTen(Number(exponent));
  return Number(mantissa) === 1 ? power : withMinus(String(Number(mantissa))) + '×' + power;
}

/** A number with three significant digits, e.g. 0.0312, 7.00, 4.5×10⁻⁶, 12,400. */
function number(value, digits = 3) {
  return formatted(value, digits, 'r');
}

/** The same without trailing zeros, for axes. */
function tickNumber(value) {
  return formatted(value, 3, '~r');
}

function formatted(value, digits, type) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return scientific(value, digits);
  if (size === 0) return '0';
  if (size >= 1000) return withMinus(d3.format(',.0f')(value));
  return withMinus(d3.format('.' + digits + type)(value));
}

const signed = value => (isNumber(value) ? withMinus(d3.format('+.2f')(value)) : NONE);
const tickSigned = value => (value === 0 ? '0' : withMinus(d3.format('+.2~f')(value)));
const tickPercent = value => tickNumber(100 * value) + '\u00a0%';

function percent(share) {
  if (!isNumber(share)) return NONE;
  return (share > 0 && share < 1e-4 ? 'below 0.01' : number(100 * share, 2)) + '\u00a0%';
}

const nats = value => (isNumber(value) ? number(value) + ' nats' : NONE);
const times = value => (isNumber(value) ? '×' + number(value, 2) : NONE);
const arrow = (from, to, format = number) => format(from) + ' → ' + format(to);
const plural = (count, word) => integer(count) + ' ' + word + (count === 1 ? '' : 's');

function range(distribution, format = number) {
  if (!distribution || !isNumber(distribution.p10) || !isNumber(distribution.p90)) return NONE;
  return format(distribution.p10) + ' to ' + format(distribution.p90);
}

/** White space made visible, so that a token can be shown as a label. */
function visibleText(value) {
  return String(value === undefined || value === null ? '' : value)
    .replace(/\r/g, '␍').replace(/\n/g, '↵').replace(/\t/g, '⇥').replace(/ /g, '␣');
}

function sentence(string) {
  const trimmed = String(string || '').trim();
  return !trimmed || /[.!?…]$/.test(trimmed) ? trimmed : trimmed + '.';
}

/** The rows of a tooltip about a distribution. */
function distributionRows(distribution, format) {
  return [
    ['median', format(middle(distribution))],
    ['p10 to p90', range(distribution, format)],
    ['mean', format(distribution.mean)],
  ];
}
