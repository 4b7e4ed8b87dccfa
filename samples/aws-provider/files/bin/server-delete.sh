#!/bin/sh
# Terminate the instances with this name in a workspace.
# Usage: server-delete.sh WORKSPACE NAME
set -eu

workspace=${1:?usage: server-delete.sh WORKSPACE NAME}
name=${2:?usage: server-delete.sh WORKSPACE NAME}
: "${AWS_REGION:=eu-west-1}"
export AWS_REGION

ids=$(aws ec2 describe-instances --output text \
    --filters "Name=tag:workspace,Values=$workspace" "Name=tag:Name,Values=$name" \
    Name=instance-state-name,Values=pending,running,stopping,stopped \
    --query 'Reservations[].Instances[].InstanceId')

for id in $ids; do
    aws ec2 terminate-instances --instance-ids "$id" >/dev/null
    aws ec2 wait instance-terminated --instance-ids "$id"
    echo "$id"
done
