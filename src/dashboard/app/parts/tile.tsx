/** One figure, what it is held against, and whether that is well. */
import type { ComponentChildren } from 'preact';

export type Verdict = 'good' | 'warn' | 'bad' | 'none';

interface TileProps {
  readonly label: string;
  readonly value: string;
  readonly verdict?: Verdict;
  readonly children?: ComponentChildren;
}

/** Colour is never the only sign. */
const SIGN: Readonly<Record<Verdict, string>> = { good: '✓', warn: '!', bad: '✕', none: '' };
const SPOKEN: Readonly<Record<Verdict, string>> = {
  good: 'well',
  warn: 'look at this',
  bad: 'not well',
  none: '',
};

export function Tile({ label, value, verdict = 'none', children }: TileProps) {
  return (
    <article class={`tile ${verdict}`}>
      <h3>{label}</h3>
      <p class="figure">
        {value}
        {verdict !== 'none' && (
          <span class="sign">
            <span aria-hidden="true">{SIGN[verdict]}</span>
            <span class="unseen">{SPOKEN[verdict]}</span>
          </span>
        )}
      </p>
      <p class="soft">{children}</p>
    </article>
  );
}

/** A short word in a colour of its own. */
export const Badge = ({
  verdict,
  children,
}: {
  readonly verdict: Verdict;
  readonly children: ComponentChildren;
}) => <span class={`badge ${verdict}`}>{children}</span>;
