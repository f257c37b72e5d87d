/** The coordinator's room: what other rooms may import of it is nothing; it is met over gRPC. */
export {};
