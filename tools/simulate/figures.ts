import type { SeedFigures } from './run-seed.ts';

/** The figures of several worlds, added up. */
export class FigureSum {
  seeds = 0;
  readonly sums: Record<string, number> = {};
  readonly faults: Record<string, number> = {};

  add(figures: SeedFigures): void {
    this.seeds += 1;
    for (const [name, value] of Object.entries(figures)) {
      if (typeof value === 'number') this.sums[name] = (this.sums[name] ?? 0) + value;
    }
    for (const [kind, count] of Object.entries(figures.faults)) this.faults[kind] = (this.faults[kind] ?? 0) + count;
  }

  /** In sentences, for people. */
  lines(): string[] {
    const of = (name: string): string => Math.round(this.sums[name] ?? 0).toLocaleString('en');
    const faults = Object.entries(this.faults).map(([kind, count]) => `${count.toLocaleString('en')} ${kind}`);
    return [
      `crashes survived   ${of('crashes')}, of them ${of('powerLosses')} power failures; ${of('restarts')} restarts in order, ${of('failedStarts')} starts that failed, ${of('metadataRestorations')} restorations of metadata`,
      `operations checked ${of('operations')}: ${of('recordsAcknowledged')} records acknowledged, ${of('recordsRead')} read, ${of('commits')} commits, ${of('audits')} full reads`,
      `disk calls         ${of('diskCalls')}`,
      `simulated time     ${((this.sums['simulatedMs'] ?? 0) / 60_000).toFixed(1)} minutes`,
      `faults             ${faults.join(', ') || 'none'}`,
    ];
  }
}
