/** Learning curves as an SVG picture. Pure. */
import { axisLabel, type Curve, type Point, rangeOf } from './curve.js';

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 64;
const RIGHT = 24;
const TOP = 56;
const BOTTOM = 56;
const COLOURS = ['#2563eb', '#d97706', '#059669', '#7c3aed', '#db2777', '#374151'];

/** A standalone SVG of curves with error bars. */
export function curvesSvg(title: string, xLabel: string, yLabel: string, curves: readonly Curve[]): string {
  const largest = Math.max(1, ...curves.flatMap((curve) => curve.points.map((point) => point.x)));
  const { low, high } = rangeOf(curves);
  const x = (value: number): string => (LEFT + (value / largest) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number): string =>
    (
      HEIGHT -
      BOTTOM -
      Math.min(1, Math.max(0, (value - low) / (high - low))) * (HEIGHT - TOP - BOTTOM)
    ).toFixed(1);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const at = (tick: number): number => low + tick * (high - low);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="${escape(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="26" font-size="16" font-weight="600" fill="#111827">${escape(title)}</text>`,
    ...(curves.some(({ points }) => points.some(hasBar)) ? [barLegend] : []),
    ...ticks.map(
      (tick) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(at(tick))}" y2="${y(at(tick))}" stroke="#e5e7eb"/>` +
        `<text x="${LEFT - 8}" y="${y(at(tick))}" dy="4" text-anchor="end" fill="#4b5563">${axisLabel(at(tick))}</text>`,
    ),
    ...ticks.map(
      (tick) =>
        `<text x="${x(tick * largest)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#4b5563">${Math.round(tick * largest)}</text>`,
    ),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle" fill="#111827">${escape(xLabel)}</text>`,
    `<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle" fill="#111827">${escape(yLabel)}</text>`,
    ...curves.flatMap((curve, index) =>
      drawCurve(curve, COLOURS[index % COLOURS.length] ?? '#111827', index, x, y),
    ),
    '</svg>',
  ];
  return `${lines.join('\n')}\n`;
}

function drawCurve(
  curve: Curve,
  colour: string,
  index: number,
  x: (value: number) => string,
  y: (value: number) => string,
): readonly string[] {
  const path = curve.points.map((point, i) => `${i === 0 ? 'M' : 'L'}${x(point.x)} ${y(point.y)}`).join(' ');
  const legendX = LEFT + 8 + index * 110;
  return [
    ...curve.points
      .filter(hasBar)
      .map(
        (point) =>
          `<line x1="${x(point.x)}" x2="${x(point.x)}" y1="${y(point.y - point.spread)}" y2="${y(point.y + point.spread)}" stroke="${colour}" stroke-opacity="0.35" stroke-width="5"/>`,
      ),
    `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2.5"/>`,
    ...curve.points.map(
      (point) => `<circle cx="${x(point.x)}" cy="${y(point.y)}" r="3.5" fill="${colour}"/>`,
    ),
    `<rect x="${legendX}" y="38" width="18" height="4" fill="${colour}"/><text x="${legendX + 24}" y="45" fill="#111827">${escape(curve.name)}</text>`,
  ];
}

const hasBar = ({ spread }: Point): boolean => spread > 0;

/** Says what the error bars are; at the right end of the line that names the curves. */
const barLegend =
  `<line x1="${WIDTH - RIGHT - 158}" x2="${WIDTH - RIGHT - 158}" y1="32" y2="48" stroke="#6b7280" stroke-opacity="0.35" stroke-width="5"/>` +
  `<text x="${WIDTH - RIGHT}" y="45" text-anchor="end" fill="#4b5563">mean ± sd over seeds</text>`;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
