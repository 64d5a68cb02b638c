/** Private RabbitMQ servers that form a cluster. */
import { type Server, type ServerOptions, startNetwork, startNode } from './server.ts';

export interface Cluster {
  /** The first is there before the others, which join it. */
  readonly servers: readonly Server[];
  stop(): Promise<void>;
}

export async function startCluster(size: number, options: ServerOptions = {}): Promise<Cluster> {
  const network = await startNetwork();
  const first = await startNode(network, options);
  const joining = [
    ...(options.settings ?? []),
    'cluster_formation.peer_discovery_backend = classic_config',
    `cluster_formation.classic_config.nodes.1 = ${first.name}`,
  ];
  const others = Array.from({ length: size - 1 }, () =>
    startNode(network, { ...options, settings: joining }),
  );
  const servers = [first, ...(await Promise.all(others))];
  return {
    servers,
    async stop() {
      await Promise.all(servers.map((server) => server.kill()));
      network.end();
    },
  };
}
