/**
 * An empty variable is how shells and compose files say "not set" (`PORT: ${PORT:-}`), and blanks around a value come along
 * with copying. Settings are read so (composition/settings.ts); Commander takes an option's variable as it stands.
 */
import type { Command } from 'commander';

export function readVariablesAsSettings(commands: readonly Command[], env: NodeJS.ProcessEnv): void {
  for (const { envVar } of commands.flatMap(command => command.options)) {
    const value = envVar === undefined ? undefined : env[envVar];
    if (envVar === undefined || value === undefined) continue;
    if (value.trim() === '') delete env[envVar];
    else env[envVar] = value.trim();
  }
}
