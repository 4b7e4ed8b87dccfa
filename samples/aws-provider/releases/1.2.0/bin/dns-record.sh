#!/bin/sh
# Create or update an A record in the hosted zone and wait until it is served.
# Usage: dns-record.sh NAME IPV4
set -eu

name=${1:?usage: dns-record.sh NAME IPV4}
address=${2:?usage: dns-record.sh NAME IPV4}
: "${AWS_DNS_ZONE_ID:?set the hosted zone in the setting dns_zone_id}"
: "${AWS_DNS_TTL:=300}"

batch=$(jq -n --arg name "$name" --arg address "$address" --argjson ttl "$AWS_DNS_TTL" '{
    Changes: [{
        Action: "UPSERT",
        ResourceRecordSet: {
            Name: $name, Type: "A", TTL: $ttl, ResourceRecords: [{Value: $address}]
        }
    }]
}')

change=$(aws route53 change-resource-record-sets --hosted-zone-id "$AWS_DNS_ZONE_ID" \
    --change-batch "$batch" --query ChangeInfo.Id --output text)
aws route53 wait resource-record-sets-changed --id "$change"
