import { useSyncExternalStore } from 'react';
import { filled, type Language } from '../../../src/api/refusals.ts';
import { type FailureText, failureIn } from './failures.ts';
import { visible } from './visible.ts';
import { type Word, words } from './words.ts';

export type Theme = 'light' | 'dark';
/** Whose clock the times of lists are told by. */
export type Zone = 'local' | 'utc';

interface Settings {
  readonly language: Language;
  readonly theme: Theme;
  readonly zone: Zone;
}

const listeners = new Set<() => void>();
let current: Settings = { language: firstLanguage(), theme: firstTheme(), zone: firstZone() };
apply();

function firstLanguage(): Language {
  const kept = localStorage.getItem('language');
  if (kept === 'en' || kept === 'ko') return kept;
  return navigator.language.startsWith('ko') ? 'ko' : 'en';
}

function firstTheme(): Theme {
  const kept = localStorage.getItem('theme');
  if (kept === 'light' || kept === 'dark') return kept;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

function firstZone(): Zone {
  return localStorage.getItem('zone') === 'utc' ? 'utc' : 'local';
}

function apply(): void {
  document.documentElement.lang = current.language;
  document.documentElement.dataset['theme'] = current.theme;
}

/** Changes what the reader has chosen, and keeps it for the next visit. */
export function changeSettings(change: Partial<Settings>): void {
  current = { ...current, ...change };
  localStorage.setItem('language', current.language);
  localStorage.setItem('theme', current.theme);
  localStorage.setItem('zone', current.zone);
  apply();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What the reader has chosen. */
export function useSettings(): Settings {
  return useSyncExternalStore(subscribe, () => current);
}

/** Finds words in the reader's language and puts values into them. */
export type Say = (word: Word, values?: Readonly<Record<string, string | number>>) => string;

export function useWords(): Say {
  const { language } = useSettings();
  return (word, values = {}) => filled(words[language][word], values, visible);
}

/** Says what went wrong in the reader's language. */
export function useFailure(error: Error): FailureText {
  const { language } = useSettings();
  return failureIn(language, error);
}
