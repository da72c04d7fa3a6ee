# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keywords of the Docker SDK, and those that a release decides itself (private to the collection).

Names: C(docker.models.containers), C(ContainerCollection.create), docker SDK for Python 5.0.3 to 7.
"""

from __future__ import annotations

_RESTART = (
    "after a reboot exactly the live side must come back: the idle side never restarts, the new side gets its policy"
    " just before traffic moves to it, the old side loses its own after that"
)
_REMOVE = "a stopped side is kept, so that a rollback takes seconds and a failed one can be looked at"
_PORTS = "blue and green of one service run beside each other, each on ports of its own"
_SIDE_BY_SIDE = "blue and green run beside each other, so they cannot share the machine's own ports"

# What a release decides itself: keyword -> (why, what to do instead).
REFUSED: dict[str, tuple[str, str]] = {
    "restart_policy": (_RESTART, "Take it out; a program that ends is started again as long as its side is live."),
    "name": ("the names of containers carry platform, environment and release", "Take it out."),
    "labels": ("the labels tell what is live", "Take it out; use logging options or env for marks of your own."),
    "ports": (_PORTS, "Take it out; set port, and publish_from to choose the machine's ports."),
    "publish_all_ports": (_PORTS, "Take it out; set port, and publish_from to choose the machine's ports."),
    "detach": ("a container of a release always runs detached", "Take it out."),
    "auto_remove": (_REMOVE, "Take it out; slipway_keep says how many releases are kept."),
    "remove": (_REMOVE, "Take it out; slipway_keep says how many releases are kept."),
    "image": ("a service has one image", "Set the service's own option image."),
    "command": ("a service has one command", "Set the service's own option command."),
    "environment": ("a service has one environment", "Set the service's own option env."),
    "healthcheck": ("a service has one health check", "Set the service's own option health."),
}
# Values of network_mode that take away the ports of a side.
REFUSED_NETWORKS = {"host": _SIDE_BY_SIDE, "container": _SIDE_BY_SIDE, "none": "balancers could not reach it"}

_NAMES = """
    blkio_weight blkio_weight_device cap_add cap_drop cgroup_parent cgroupns cpu_count cpu_percent cpu_period
    cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpuset_cpus cpuset_mems device_cgroup_rules device_read_bps
    device_read_iops device_requests device_write_bps device_write_iops devices dns dns_opt dns_search domainname
    entrypoint extra_hosts group_add hostname init init_path ipc_mode isolation kernel_memory links log_config
    lxc_conf mac_address mem_limit mem_reservation mem_swappiness memswap_limit mounts nano_cpus network
    network_disabled network_mode networking_config oom_kill_disable oom_score_adj pid_mode pids_limit platform
    privileged read_only runtime security_opt shm_size stdin_open stop_signal storage_opt sysctls tmpfs tty ulimits
    use_config_proxy user userns_mode uts_mode version volume_driver volumes volumes_from working_dir
"""
KEYWORDS: tuple[str, ...] = tuple(_NAMES.split())
