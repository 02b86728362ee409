// SPDX-License-Identifier: Apache-2.0
@main struct Herd { static func main() {} }
