# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What database_backup takes about the backups alone: how they are kept, and those of a whole cluster."""

from __future__ import annotations


class ModuleDocFragment:
    WHOLE_CLUSTERS = r"""
options:
  physical:
    description:
      - Backups of a whole PostgreSQL cluster by pgBackRest 2.45 or newer, which is run as the user C(postgres) where this is
        root. Which stay is a matter of its own retention, and O(retention), O(compression), O(encryption) and O(pinned) are
        for dumps only.
      - For O(verify=read) its own C(verify) must find the backup and those it stands on valid, and no file of the WAL may be
        missing that was archived since the newest one.
      - For O(verify=restore) a restore point is made, which needs a superuser or the right to call C(pg_create_restore_point)
        and C(pg_switch_wal). The cluster is restored below O(scratch_dir) up to that point and started. What the database of
        O(url) had before and after the point alike must be in the copy exactly so; what changed between is read to its end, and
        named.
    type: dict
    suboptions:
      stanza:
        description: The stanza. It is never created or changed.
        type: str
        required: true
      config:
        description: pgBackRest's configuration file; its own default.
        type: path
      repo:
        description: Number of the repository; its own choice.
        type: int
      type:
        description: What is taken; its own default is V(incr), and V(full) where there is no full one.
        type: str
        choices: [full, diff, incr]
      archive_timeout:
        description: Seconds that a file of the WAL may take into the archive.
        type: float
        default: 60
  snapshot:
    description:
      - Snapshots of a whole PostgreSQL cluster by the storage that it is on. Each command is a list of words, run without a
        shell; C(&&) stands between several. C({name}), C({path}) and C({id}) in them are replaced.
      - To be proven, a snapshot is cloned below O(scratch_dir), and a throw-away server is started on the clone. It is refused
        where that shares a file with a cluster that runs. What the database of O(url) had before and after the snapshot alike
        must be in the clone exactly so; what changed between is read to its end, and named.
      - O(retention) and O(pinned) are for snapshots too. What is known of them is kept in O(store), beside dumps.
      - The role of O(url) must be a superuser, or have C(pg_read_all_data) and C(pg_read_all_settings).
    type: dict
    suboptions:
      create:
        description: Makes a snapshot that is called C({name}), of one moment of all volumes that the cluster is on.
        type: list
        elements: str
        required: true
      clone:
        description: Makes the snapshot C({name}) available for reading and writing at C({path}), an empty directory.
        type: list
        elements: str
        required: true
      unclone:
        description: Lets go of that clone. It is run whatever happened before.
        type: list
        elements: str
        required: true
      remove:
        description: Removes the snapshot C({name}).
        type: list
        elements: str
        required: true
      list:
        description:
          - Prints a line for each snapshot, its name first, which a path may precede. A second word is what C({id}) stands for
            in the other commands; without it that is the name.
        type: list
        elements: str
        required: true
      data:
        description: Where the data directory is below C({path}); C({path}) itself by default.
        type: str
        default: ""
      timeout:
        description: Seconds that each command may take.
        type: float
        default: 300
"""

    STORED = r"""
options:
  store:
    description: Where the backups are kept. Required, unless O(physical) is all there is.
    type: dict
    suboptions:
      kind:
        description:
          - V(local) is a directory of the machine; V(s3) Amazon S3 or a compatible store; V(gcs) Google Cloud Storage;
            V(azure) Azure Blob Storage.
          - All but V(local) need the vendor's SDK on the machine (C(boto3); C(google-cloud-storage);
            C(azure-storage-blob) and C(azure-identity)), which finds credentials by its own chain.
        type: str
        choices: [local, s3, gcs, azure]
        default: local
      path:
        description: The directory of V(local), which cannot do without.
        type: path
      bucket:
        description: The bucket, or the container of V(azure). All but V(local) need it, and none makes it.
        type: str
      prefix:
        description: What the names of all objects begin with there.
        type: str
      endpoint:
        description:
          - URL of a store that is compatible with V(s3); of an account of V(azure), such as
            V(https://ACCOUNT.blob.core.windows.net), unless the environment has C(AZURE_STORAGE_CONNECTION_STRING); of
            another server for V(gcs), which is asked without credentials.
        type: str
      region:
        description: Of V(s3); by default that of the profile or the environment.
        type: str
      profile:
        description: Of V(s3), in the shared configuration files.
        type: str
  format:
    description:
      - Of new dumps of PostgreSQL. V(directory) is written by several connections at once, and restored so. How a backup is
        to be read, it says itself, so backups of both formats can stand side by side.
      - V(directory) needs room in O(scratch_dir) for the dump, which is neither compressed nor encrypted there, before it is
        stored, and again beside the copy while it is restored.
    type: str
    choices: [custom, directory]
    default: custom
  jobs:
    description:
      - Connections that write a dump with O(format=directory), and that restore such a backup. By default as many as there
        are processors, at most 8. One more is open meanwhile.
    type: int
  compression:
    description: How new backups are compressed.
    type: dict
    suboptions:
      method:
        description: The program.
        type: str
        choices: [zstd, gzip, none]
        default: zstd
      level:
        description: Its level, on its own scale; its own default.
        type: int
      threads:
        description: Threads of zstd; by default as many as there are processors.
        type: int
  encryption:
    description: Encryption of new backups by age.
    type: dict
    suboptions:
      recipients:
        description: Public keys, each of whose owners can decrypt.
        type: list
        elements: str
        default: []
      identity:
        description: File with a private key on the machine, which O(verify=read) and O(verify=restore) need.
        type: path
  retention:
    description:
      - Which backups stay. Each that any of these keeps; all when nothing is set.
      - Backups that were found to be bad take no other one's place.
    type: dict
    suboptions:
      last:
        description: The newest so many.
        type: int
      days:
        description: Those younger than so many days.
        type: float
      daily:
        description: The newest of each of the last so many days that have one (UTC).
        type: int
      weekly:
        description: The same by weeks (ISO 8601).
        type: int
      monthly:
        description: The same by months.
        type: int
      yearly:
        description: The same by years.
        type: int
  pinned:
    description: Ids of backups that stay whatever the retention says.
    type: list
    elements: str
    default: []
"""
