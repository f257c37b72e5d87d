/** Figures as the store keeps them. */
import type { Metrics } from './run-record.js';

/** Metrics as JSON. What is not finite is left out: neither JSON nor a chart has a place for it. */
export const metricsJson = (metrics: Metrics): string => JSON.stringify(finite(metrics));

/** The metrics that are finite numbers. */
export const finite = (metrics: Metrics): Metrics =>
  Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));

/** Metrics from their JSON. */
export function parseMetrics(json: string): Metrics {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}
