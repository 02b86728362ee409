package struct SwarmScheduler: Sendable {}
