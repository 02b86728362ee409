// SPDX-License-Identifier: Apache-2.0

import Crypto

extension Digest {
    /// The digest of `bytes`, for small ones such as manifests; long ones are hashed as they stream.
    package init(hashing bytes: some Sequence<UInt8>) {
        var hash = SHA256()
        let isContiguous: Void? = bytes.withContiguousStorageIfAvailable {
            hash.update(bufferPointer: UnsafeRawBufferPointer($0))
        }
        if isContiguous == nil { hash.update(data: Array(bytes)) }
        guard let digest = Digest(bytes: Array(hash.finalize())) else {
            preconditionFailure("a SHA-256 has 32 bytes")
        }
        self = digest
    }
}
