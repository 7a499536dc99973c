import { useNavigate, useSearch } from '@tanstack/react-router';

/** How the address comes to say something else. */
interface HowToGo {
  /** Going back leads to what it said before; else to the page before this one. */
  readonly isStep?: boolean;
}

/** What the address says of a part of its page, and how to have it say something else. Nobody has checked what somebody has typed there. */
export function useInAddress<S extends object>(): readonly [S, (change: Partial<S>, how?: HowToGo) => void] {
  const said: object = useSearch({ strict: false });
  const navigate = useNavigate();
  const go = (change: Partial<S>, { isStep = false }: HowToGo = {}): void =>
    void navigate({
      to: '.',
      search: (before: object) => ({ ...before, ...change }),
      replace: !isStep,
      resetScroll: false,
    });
  return [said as S, go];
}
