/**
 * What a user of the server must be allowed to, and how it is granted. EventStoreDB knows no rights by prefix: a right is
 * of one stream, by its own `$acl`, or of all, by `$settings`; `$all` is a stream of the system. Members of `$admins`
 * may do anything, and with no `$settings` every user may do anything with streams that are not the system's. Tried with a
 * user of a real 24.2.0: either grant is enough for all that `doctor` rehearses and `npm run test:esdb` does.
 */
import { STREAM_PREFIX } from '../../events/streams.js';

export interface Right {
  readonly purpose: string;
  readonly stream: string;
  /** `$r` read, `$w` write, `$mr` and `$mw` the same of its metadata. */
  readonly roles: readonly string[];
}

/** @param setsRetention whether `HITS_MAX_AGE_MS` is set */
export const rightsNeeded = (setsRetention: boolean): readonly Right[] => [
  {
    purpose: 'record facts (an append also reads what a lost answer may have left)',
    stream: `every stream that starts with ${STREAM_PREFIX}`,
    roles: ['$r', '$w'],
  },
  { purpose: 'project, rebuild, follow, count, and every command that reads', stream: '$all', roles: ['$r'] },
  ...(setsRetention
    ? [
        {
          purpose: 'let old hits go (HITS_MAX_AGE_MS)',
          stream: `every stream that starts with ${STREAM_PREFIX}_hits-`,
          roles: ['$mr', '$mw'],
        },
      ]
    : []),
];

/**
 * Metadata of `$all` and an event of `$settings` that grant this to `user`, to be written by an administrator.
 * `$settings` replaces what is in force for all streams, so other users of the server must be named in it too.
 */
export function grantsFor(user: string) {
  const both = ['$admins', user];
  return {
    /** As metadata of the stream `$all`. */
    all: { $acl: { $r: both } },
    /** As data of an event of the type `update-default-acl` in the stream `$settings`. */
    settings: {
      $userStreamAcl: { $r: both, $w: both, $d: '$admins', $mr: both, $mw: both },
      $systemStreamAcl: { $r: both, $w: '$admins', $d: '$admins', $mr: '$admins', $mw: '$admins' },
    },
  };
}
