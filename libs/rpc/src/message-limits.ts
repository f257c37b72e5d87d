/** What both ends of a connection agree on: how large a message may be, and how the bytes flow. */
import type { ChannelOptions } from 'nice-grpc';

/** 64 MiB, both ways. */
export const defaultMaxMessageBytes = 64 * 1024 * 1024;

/** Channel options for messages up to the given size. */
export function messageLimits(maxMessageBytes: number = defaultMaxMessageBytes): ChannelOptions {
  return {
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.max_receive_message_length': maxMessageBytes,
    // In megabytes. Node closes an HTTP/2 session whose frames in flight exceed its memory; its default of 10 would
    // refuse what the limits above allow.
    'grpc-node.max_session_memory': Math.max(1024, Math.ceil((maxMessageBytes * 8) / 1024 ** 2)),
    // The default of 64 KiB waits for the other side 16 times a megabyte.
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
  };
}
