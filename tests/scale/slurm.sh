#!/usr/bin/env bash
# One machine as a Slurm cluster, by Debian's packages (apt install slurmctld slurmd slurm-client munge), without
# accounting, so that sacct answers nothing. As root:
#   tests/scale/slurm.sh start /tmp/slurm    writes slurm.conf there and starts munged, slurmctld and slurmd
#   export SLURM_CONF=/tmp/slurm/slurm.conf  then sbatch, squeue and hydra/launcher=slurm_sdpa find it
#   tests/scale/slurm.sh stop /tmp/slurm     ends what it started
# Partitions: all (default) and urgent, whose jobs take the place of the others', which go back into the queue.
set -euo pipefail
action="${1:?start or stop}"
mkdir -p "${2:?a folder}"
folder="$(realpath "$2")"

stop() {
  for name in slurmd slurmctld munged; do
    if [[ -f "$folder/$name.pid" ]]; then kill "$(cat "$folder/$name.pid")" 2>/dev/null || true; fi
  done
}

start() {
  mkdir -p "$folder"/{state,spool,munge}
  chmod 0755 "$folder"
  chmod 0711 "$folder/munge"
  dd if=/dev/urandom of="$folder/munge.key" bs=1 count=1024 status=none
  chmod 0400 "$folder/munge.key"
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
  cat >"$folder/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$(hostname -s)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=${SLURMCTLD_PORT:-16817}
SlurmdPort=${SLURMD_PORT:-16818}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
KillWait=20
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$(slurmd -C | head -1) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=ALL PriorityTier=2
END
  export SLURM_CONF="$folder/slurm.conf"
  slurmctld -f "$SLURM_CONF"
  slurmd -f "$SLURM_CONF"
  for _ in $(seq 30); do
    if [[ "$(sinfo --noheader --format=%t --partition=all 2>/dev/null)" == idle ]]; then break; fi
    sleep 1
  done
  sinfo
}

"$action"
