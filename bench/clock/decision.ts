export interface Decision {
  readonly p50: number;
  readonly p99: number;
}
