/** An id as somebody else chose it: shown as text, apart from the text around it, and nothing in it hides. */

/** Controls, marks that turn the direction of text, and what has no width. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

export const visible = (text: string): string =>
  text.replace(
    HIDDEN,
    character => `⟨U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );

/** The same, but for the ends of lines. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

interface IdProps {
  readonly text: string;
  readonly soft?: boolean;
}

export const Id = ({ text, soft = false }: IdProps) => (
  <bdi class={soft ? 'soft' : undefined}>{visible(text)}</bdi>
);
