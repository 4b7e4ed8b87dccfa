#!/bin/sh
# Create a private S3 bucket.
# Usage: bucket-create.sh BUCKET
set -eu

bucket=${1:?usage: bucket-create.sh BUCKET}
: "${AWS_REGION:=eu-west-1}" "${AWS_BUCKET_VERSIONING:=true}"
export AWS_REGION

if ! aws s3api head-bucket --bucket "$bucket" >/dev/null 2>&1; then
    # us-east-1 is the one region that must not be given as a location constraint.
    if [ "$AWS_REGION" = us-east-1 ]; then
        aws s3api create-bucket --bucket "$bucket" >/dev/null
    else
        aws s3api create-bucket --bucket "$bucket" \
            --create-bucket-configuration "LocationConstraint=$AWS_REGION" >/dev/null
    fi
    aws s3api wait bucket-exists --bucket "$bucket"
fi

aws s3api put-public-access-block --bucket "$bucket" --public-access-block-configuration \
    BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true

if [ "$AWS_BUCKET_VERSIONING" = true ]; then
    aws s3api put-bucket-versioning --bucket "$bucket" \
        --versioning-configuration Status=Enabled
fi
