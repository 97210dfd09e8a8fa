/**
 * An empty variable is how shells and compose files say "not set" (`PORT: ${PORT:-}`), and blanks around a value come along
 * with copying. Settings are read so (composition/settings.ts); Commander takes an option's variable as it stands.
 */
import type { Command } from 'commander';

export function readVariablesAsSettings(commands: readonly Command[], env: NodeJS.ProcessEnv): void {
  for (const { envVar } of commands.flatMap(command => command.options)) {
    if (envVar === undefined) continue;
    const value = env[envVar]?.trim();
    if (value) env[envVar] = value;
    else delete env[envVar];
  }
}
