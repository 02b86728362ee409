// SPDX-License-Identifier: Apache-2.0

import Files
import NIOCore
import NIOHTTP1

extension ConnectionHandler {
    /// Bytes handed to the kernel's `sendfile` at a time: what the write time-out measures progress by.
    private static let partBytes = 4 << 20

    /// Sends `range` of `file` as the next part of the current body.
    ///
    /// `completion` is called when the kernel has taken the last byte, or with the reason why that will not happen; the
    /// file stays open until then.
    func send(
        _ file: SharedFile,
        _ range: Range<Int>,
        completion: @escaping (Result<Void, any Error>) -> Void
    ) {
        // The codec's own place in the pipeline: above it, a body's parts are buffers only.
        guard let codec, !state.isClientGone || codec.channel.isActive else {
            return completion(.failure(ChannelError.ioOnClosedChannel))
        }
        let end = min(range.lowerBound + Self.partBytes, range.upperBound)
        let promise = codec.eventLoop.makePromise(of: Void.self)
        track(promise.futureResult, codec)
        promise.futureResult.assumeIsolated().whenComplete { result in
            withExtendedLifetime(file) {
                guard case .success = result, end < range.upperBound else {
                    return completion(result)
                }
                self.send(file, end..<range.upperBound, completion: completion)
            }
        }
        let region = file.fileRegion(range.lowerBound..<end)
        codec.writeAndFlush(
            NIOAny(HTTPServerResponsePart.body(.fileRegion(region))),
            promise: promise
        )
    }

    /// Sends `buffer` as the next part of the current body; `completion` as in ``send(_:_:completion:)``.
    func send(_ buffer: ByteBuffer, completion: @escaping (Result<Void, any Error>) -> Void) {
        guard let codec, !state.isClientGone || codec.channel.isActive else {
            return completion(.failure(ChannelError.ioOnClosedChannel))
        }
        let promise = codec.eventLoop.makePromise(of: Void.self)
        track(promise.futureResult, codec)
        promise.futureResult.assumeIsolated().whenComplete { completion($0) }
        codec.writeAndFlush(
            NIOAny(HTTPServerResponsePart.body(.byteBuffer(buffer))),
            promise: promise
        )
    }
}
