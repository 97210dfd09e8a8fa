/** The version each stream is at; written by `connector_event_append` only. `bigint` columns read as strings. */
import { Column, Entity, PrimaryColumn } from './decorators.js';

@Entity({ name: 'connector_stream' })
export class ConnectorStream {
  @PrimaryColumn({
    name: 'stream',
    type: 'text',
    collation: 'C',
    primaryKeyConstraintName: 'connector_stream_pkey',
  })
  stream!: string;

  @Column({ name: 'version', type: 'bigint' })
  version!: string;
}
