// SPDX-License-Identifier: Apache-2.0

import Content
import FoundationEssentials
import HTTPKit
import HTTPTypes
import NIOCore
import Telemetry

/// Gets the password of Amazon's registry for AWS keys.
/// - Source: Amazon ECR API Reference, GetAuthorizationToken.
struct ECRLogin: Sendable {
    private let address: String
    private let context: BackendContext

    /// For the registry at `address`.
    init(_ address: String, context: BackendContext) {
        (self.address, self.context) = (address, context)
    }

    /// A user's name and password, good for hours.
    /// - Throws: ``BackendError``.
    func password() async throws -> RegistryPassword {
        let region = try region()
        let host = "api.ecr.\(region).amazonaws.com"
        let url = context.environment["AWS_ENDPOINT_URL_ECR"] ?? "https://\(host)"
        let body = ByteBuffer(string: "{}")
        let source = AWSCredentialSource(
            fixed: nil,
            places: AWSCredentialPlace.allCases,
            context: context
        )
        let transport = BackendTransport(
            backend: "ECR at \(url)",
            context,
            TransportSettings(),
            remedy: "check the region and the role"
        )
        let hash = try await BackendSource.bytes(body).sha256(0..<body.readableBytes, context)
        let (_, answer) = try await transport.collect("get a token", upTo: 1 << 20) {
            let authority = TransportHops.authority(of: url)
            let signing = SigV4Request(
                method: "POST",
                host: authority.split(separator: "/").last.map(String.init) ?? host,
                headers: [
                    .contentType: "application/x-amz-json-1.1",
                    .known("x-amz-target"):
                        "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
                ],
                payloadHash: hash
            )
            let headers = signing.signed(
                by: try await source.credentials(),
                region: region,
                service: "ecr",
                at: .now
            )
            return ClientRequest(.post, authority + "/", headers: headers, body: .bytes(body))
        }
        guard let document = try? JSON(parsing: answer.readableBytesView),  // said below
            let token = document["authorizationData"]?.array?.first?["authorizationToken"]?.string,
            let bytes = Data(base64Encoded: token),
            let password = Self.split(String(decoding: bytes, as: UTF8.self))
        else {
            throw BackendError(
                .failed,
                what: "get a token from \(url)",
                why: "the answer holds none"
            )
        }
        return password
    }

    private static func split(_ text: String) -> RegistryPassword? {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        return RegistryPassword(
            username: String(text[..<colon]),
            password: String(text[text.index(after: colon)...])
        )
    }

    /// `us-west-2`, of `<account>.dkr.ecr.us-west-2.amazonaws.com`, or what the environment says.
    private func region() throws -> String {
        let labels = address.split(separator: ".")
        if labels.count >= 6, labels[1] == "dkr", labels[2] == "ecr" { return String(labels[3]) }
        let environment = context.environment
        if let region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] {
            return region
        }
        throw BackendError(
            .invalidConfiguration,
            what: "log in to \(address)",
            why: "the address does not name a region",
            remedy: "write it like <account>.dkr.ecr.<region>.amazonaws.com, or set AWS_REGION"
        )
    }
}
