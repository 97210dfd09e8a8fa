/**
 * What a page shows is in its address: filters and range are query parameters, so that whoever gets the link sees
 * the same. Ids are parameters too, not parts of the path, where `..` would be taken away.
 */
import { useCallback } from 'preact/hooks';
import { useLocation, useSearch } from 'wouter-preact';

export type Filters = Readonly<Record<string, string>>;

/** @returns the filters, and a function that sets some of them; an empty value removes one */
export function useFilters(): [Filters, (change: Filters, how?: { replace?: boolean }) => void] {
  // Says when it changes. What it returns is decoded once already, and `%2e` in an id would be decoded twice.
  useSearch();
  const { search } = location;
  const [path, navigate] = useLocation();
  const filters = Object.fromEntries(new URLSearchParams(search));
  const change = useCallback(
    (to: Filters, { replace = true } = {}) => {
      const next = new URLSearchParams(search);
      for (const [name, value] of Object.entries(to)) {
        if (value === '') next.delete(name);
        else next.set(name, value);
      }
      const text = next.toString();
      navigate(path + (text === '' ? '' : `?${text}`), { replace });
    },
    [search, path, navigate],
  );
  return [filters, change];
}

export const linkTo = (path: string, filters: Filters): string => {
  const kept = Object.entries(filters).filter(([, value]) => value !== '');
  return kept.length === 0 ? path : `${path}?${new URLSearchParams(kept)}`;
};
