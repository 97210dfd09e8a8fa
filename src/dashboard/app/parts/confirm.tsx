/** Asks before something is done that others feel. The browser's own dialog: focus stays inside, Escape closes it. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { RequestFailure } from '../api/request.js';

interface ConfirmProps {
  /** What the button says, and the dialog's title. */
  readonly action: string;
  readonly children: ComponentChildren;
  /** @returns what is said when it is done */
  readonly onConfirm: () => Promise<string>;
  readonly disabled?: boolean;
}

export function Confirm({ action, children, onConfirm, disabled = false }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<{ readonly text: string; readonly isBad: boolean }>();
  // In the same turn as the click: an Escape that follows it at once must find the dialog open.
  useLayoutEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  const confirm = async () => {
    setBusy(true);
    try {
      setOutcome({ text: await onConfirm(), isBad: false });
    } catch (error) {
      const code = error instanceof RequestFailure && error.code ? ` (${error.code})` : '';
      setOutcome({ text: `Not done: ${error instanceof Error ? error.message : error}${code}`, isBad: true });
    } finally {
      setBusy(false);
      dialog.current?.close();
    }
  };
  return (
    <span class="confirm">
      <button type="button" disabled={disabled} onClick={() => setOpen(true)}>
        {action}…
      </button>
      {outcome && (
        <span role={outcome.isBad ? 'alert' : 'status'} class={outcome.isBad ? 'bad' : 'soft'}>
          {outcome.text}
        </span>
      )}
      {isOpen && (
        <dialog ref={dialog} onClose={() => setOpen(false)} aria-label={action}>
          <h2>{action}?</h2>
          <div>{children}</div>
          <div class="buttons">
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button type="button" class="primary" disabled={isBusy} onClick={() => void confirm()}>
              {isBusy ? 'Under way…' : action}
            </button>
          </div>
        </dialog>
      )}
    </span>
  );
}
