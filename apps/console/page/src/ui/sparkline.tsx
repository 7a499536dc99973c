import type { ReactNode } from 'react';

const WIDTH = 96;
const HEIGHT = 22;

/** How a number went, in a cell: from nothing at the bottom to its most at the top, with holes where it was not known. */
export function Sparkline({ values }: { values: readonly (number | null)[] }): ReactNode {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  const step = WIDTH / Math.max(1, values.length - 1);
  const y = (value: number): string => (HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1);
  let isOpen = false;
  const path = values.map((value, index) => {
    const from = isOpen ? 'L' : 'M';
    isOpen = value !== null;
    return value === null ? '' : `${from}${(index * step).toFixed(1)} ${y(value)}`;
  });
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} preserveAspectRatio="none" aria-hidden="true">
      <path d={`M0 ${HEIGHT - 1}H${WIDTH}`} className="ground" />
      {values.length > 1 && <path d={path.join('')} className="line" />}
    </svg>
  );
}
