/** Light or dark, as the system has it. */
import { signal } from '@preact/signals';

const query = matchMedia('(prefers-color-scheme: dark)');
export const darkness = signal(query.matches);
query.addEventListener('change', () => {
  darkness.value = query.matches;
});
