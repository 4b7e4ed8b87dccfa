#!/bin/sh
# Check that the AWS CLI is installed, signed in and knows the region.
set -eu

: "${AWS_REGION:=eu-west-1}"
export AWS_REGION

for tool in aws jq; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "aws: command not found: $tool" >&2
        exit 1
    fi
done

account=$(aws sts get-caller-identity --query Account --output text)
aws ec2 describe-regions --region-names "$AWS_REGION" >/dev/null
echo "aws: account $account, region $AWS_REGION"
