/** Asks for a key. A form as password managers know it: they fill it in again after a reload, which forgets the key. */
import { useRef } from 'preact/hooks';
import { isSignedIn, signIn } from '../state/session.js';

export function SignIn() {
  const field = useRef<HTMLInputElement>(null);
  const wasRefused = isSignedIn();
  return (
    <form
      class="state sign-in"
      onSubmit={event => {
        event.preventDefault();
        const key = field.current?.value.trim() ?? '';
        if (key !== '') signIn(key);
      }}
    >
      <h2>Sign in</h2>
      {wasRefused && <p role="alert">The key is not known, has expired or was revoked.</p>}
      <label>
        API key or token
        <input
          ref={field}
          type="password"
          name="password"
          autocomplete="current-password"
          spellcheck={false}
          required
        />
      </label>
      <button type="submit" class="primary">
        Sign in
      </button>
      <p class="soft">
        Kept in this page's memory only, and forgotten when it is closed or reloaded. Keys are made with{' '}
        <code>connector-state keys create</code>.
      </p>
    </form>
  );
}
