#!/bin/sh
# Create one EC2 instance; print its instance ID.
# Usage: server-create.sh WORKSPACE NAME SUBNET_ID USER_DATA_FILE
set -eu

if [ "$#" -ne 4 ]; then
    echo "usage: server-create.sh WORKSPACE NAME SUBNET_ID USER_DATA_FILE" >&2
    exit 2
fi
workspace=$1 name=$2 subnet=$3 user_data=$4

: "${AWS_REGION:=eu-west-1}" "${AWS_INSTANCE_TYPE:=t3.small}" "${AWS_VOLUME_GB:=20}"
: "${AWS_IMAGE:=resolve:ssm:/aws/service/debian/release/12/latest/amd64}"
: "${AWS_KEY_NAME:?set the EC2 key pair in the setting key_name}"
export AWS_REGION

id=$(aws ec2 describe-instances --output text \
    --filters "Name=tag:workspace,Values=$workspace" "Name=tag:Name,Values=$name" \
    Name=instance-state-name,Values=pending,running,stopping,stopped \
    --query 'Reservations[0].Instances[0].InstanceId')

if [ "$id" = None ]; then
    id=$(aws ec2 run-instances --output text --query 'Instances[0].InstanceId' \
        --image-id "$AWS_IMAGE" \
        --instance-type "$AWS_INSTANCE_TYPE" \
        --key-name "$AWS_KEY_NAME" \
        --subnet-id "$subnet" \
        --associate-public-ip-address \
        --metadata-options HttpTokens=required \
        --user-data "file://$user_data" \
        --block-device-mappings "DeviceName=/dev/xvda,Ebs={VolumeSize=$AWS_VOLUME_GB,VolumeType=gp3,Encrypted=true,DeleteOnTermination=true}" \
        --tag-specifications "ResourceType=instance,Tags=[{Key=Name,Value=$name},{Key=workspace,Value=$workspace}]")
    aws ec2 wait instance-running --instance-ids "$id"
fi

echo "$id"
